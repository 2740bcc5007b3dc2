//! What concerns several sections at once.

use super::Config;
use crate::fault::{Section, form, nearest};
use std::collections::BTreeMap;
use std::ops::Range;

/// Checks what no section can see alone.
pub(super) fn check(root: &mut Section<'_>, config: &Config) {
    let sites = root.sections("site");
    let (mut segment, mut impact) = (root.section("segment"), root.section("impact"));
    let (sources, programs) = (segment.sections("source"), impact.sections("program"));
    check_hosts(root, &sites, &segment);
    let mut sound = check_unique(&programs, "name", "the name of two programs");
    sound &= check_unique(&sources, "write_key", "the write key of two sources");
    sound &= check_unique(&sources, "name", "the name of two sources");
    if sources.is_empty() {
        if let Some(program) = programs.first() {
            program.warn(
                "no [[segment.source]] is listed: the calls of every write key are delivered",
                "list the sources that are yours: [[segment.source]] with a write_key",
            );
        }
    } else {
        sound &= check_sources(&programs, config);
    }
    check_changes(&programs, config);
    if sound {
        super::modes::check(&segment, &sources, &programs, config);
    }
}

/// A host is one site's or Segment's, and only one site may take all the others.
fn check_hosts(root: &Section<'_>, sites: &[Section<'_>], segment: &Section<'_>) {
    if sites.is_empty() {
        root.complain("[[site]] is missing: there is nothing to stand in front of", "add [[site]] with an `origin`");
    }
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    let every_host = sites.iter().filter(|site| site.places("hosts").is_empty());
    for site in every_host.skip(1) {
        site.complain("another [[site]] has no `hosts` either, and only one can take every host", "list its `hosts`");
    }
    let of_sites = sites.iter().flat_map(|site| hosts(site).into_iter().map(move |place| (site, place, "a site")));
    let of_segment = hosts(segment).into_iter().map(|place| (segment, place, "Segment"));
    for (section, (host, span), owner) in of_sites.chain(of_segment) {
        if let Some(other) = taken.insert(host.clone(), owner) {
            let message = format!("the host `{host}` is listed twice: it is {other}'s already");
            section.refuse_at(span, message, "each host belongs to one site or to Segment");
        }
    }
}

/// The hosts of a section as they are compared, without those that are faulty.
fn hosts(section: &Section<'_>) -> Vec<(String, Range<usize>)> {
    let places = section.places("hosts").into_iter();
    places.filter_map(|(text, span)| Some(((form::HOST.read)(text).ok()?, span))).collect()
}

fn check_unique(sections: &[Section<'_>], key: &str, what: &str) -> bool {
    let (mut taken, mut unique) = (Vec::new(), true);
    for (section, (value, span)) in
        sections.iter().flat_map(|section| section.places(key).into_iter().map(move |place| (section, place)))
    {
        if !value.is_empty() && taken.contains(&value) {
            unique = false;
            section.refuse_at(
                span,
                format!("`{value}` is {what}"),
                format!("each {} needs a `{key}` of its own", section.title()),
            );
        }
        taken.push(value);
    }
    unique
}

/// What happens to an order names its action by the order's verdict, or else by an event type.
fn check_changes(sections: &[Section<'_>], config: &Config) {
    for (section, program) in sections.iter().zip(&config.impact.programs) {
        let lists = [&program.refund_event_names, &program.cancel_event_names, &program.update_event_names];
        let has_changes = lists.iter().any(|list| !list.is_empty());
        let is_named = program.event_type_id.is_some() || !program.event_type_ids.is_empty();
        if has_changes && !config.delivery.verdicts && !is_named {
            section.warn(
                "without `verdicts` and `event_type_id` no refund, cancellation or update can name its action",
                "set `event_type_id`, or verdicts = true in [delivery]",
            );
        }
    }
}

/// Once sources are listed, a program can take only these.
fn check_sources(programs: &[Section<'_>], config: &Config) -> bool {
    let mut known = true;
    let sources = &config.segment.sources;
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    for program in programs {
        for (source, span) in program.places("sources") {
            if source.is_empty() || names.contains(&source) || sources.iter().any(|listed| listed.write_key == source) {
                continue;
            }
            let listed = names.join(", ");
            let help = match nearest(source, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`? Listed are: {listed}"),
                None => format!("listed are: {listed}"),
            };
            program.refuse_at(span, format!("`{source}` is no [[segment.source]]"), help);
            known = false;
        }
    }
    known
}

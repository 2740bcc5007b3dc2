//! Who delivers: what would deliver a call twice, or not at all.

use super::Config;
use crate::destination::impact::Program;
use crate::destination::impact::config::Mode;
use crate::fault::Section;

/// Warns of programs that get in each other's way, and of settings without effect. `sections` are those of the programs.
pub(super) fn check(segment: &Section<'_>, sources: &[Section<'_>], sections: &[Section<'_>], config: &Config) {
    let programs = &config.impact.programs;
    for (index, (section, program)) in sections.iter().zip(programs).enumerate() {
        let others = programs.iter().enumerate().filter(|(other, _)| *other != index);
        let others = others.filter(|(_, other)| meet(program, other, config));
        match program.mode {
            Mode::Segment => {
                let direct = others.filter(|(_, other)| other.mode == Mode::Direct).map(|(_, other)| other);
                beside_direct(section, program, &direct.collect::<Vec<_>>());
                without_effect(section, program);
            }
            Mode::Direct => {
                let mut earlier = others.filter(|(other, it)| *other < index && it.mode == Mode::Direct);
                if let Some((_, other)) = earlier.find(|(_, other)| is_same_campaign(program, other)) {
                    section.warn(
                        format!(
                            "a call that both `{}` and `{}` take is delivered twice: they are the same campaign",
                            other.name, program.name
                        ),
                        "part them with a `filter` in each, or with `sources`",
                    );
                }
            }
        }
    }
    if programs.iter().any(|program| program.mode == Mode::Direct) {
        for (section, source) in sources.iter().zip(&config.segment.sources) {
            if !programs.iter().any(|program| takes(program, &source.write_key, &source.name)) {
                section.warn(
                    format!("the calls of `{}` are delivered by no program", source.name),
                    "name it in the `sources` of a program",
                );
            }
        }
    }
    if config.segment.deliver_unlisted && sources.is_empty() {
        segment.warn(
            "`deliver_unlisted` has no effect: no [[segment.source]] is listed, so that every write key is delivered",
            "list your sources, or take it out",
        );
    }
}

/// Segment's own destination is one switch for all programs: see [`Mode`].
fn beside_direct(section: &Section<'_>, program: &Program, direct: &[&Program]) {
    if let Some(same) = direct.iter().find(|direct| is_same_campaign(program, direct)) {
        section.warn(
            format!("a call that both `{}` and `{}` take is delivered twice: they are the same campaign, by Selvedge and by Segment", same.name, program.name),
            "give both the same `mode`, or take one out",
        );
    } else if !direct.is_empty() {
        let names: Vec<String> = direct.iter().map(|direct| format!("`{}`", direct.name)).collect();
        section.warn(
            format!(
                "Segment's own destination stays on for each call that `{}` takes, also where {} delivers it",
                program.name,
                names.join(", ")
            ),
            "let that destination deliver for this program's campaign only, or give them sources of their own",
        );
    }
}

/// What only Selvedge's own mapping heeds.
fn without_effect(section: &Section<'_>, program: &Program) {
    let heeded = [
        ("ios_app_id", program.ios_app_id.is_some()),
        ("android_app_id", program.android_app_id.is_some()),
        ("event_type_id", program.event_type_id.is_some()),
        ("event_type_ids", !program.event_type_ids.is_empty()),
        ("custom_parameter_mapping", !program.custom_parameter_mapping.is_empty()),
        ("custom_mapping_for_products", !program.custom_mapping_for_products.is_empty()),
        ("refund_event_names", !program.refund_event_names.is_empty()),
        ("cancel_event_names", !program.cancel_event_names.is_empty()),
        ("update_event_names", !program.update_event_names.is_empty()),
        ("drop_properties", !program.rule.drop_properties.is_empty()),
    ];
    let set: Vec<String> = heeded.iter().filter(|(_, set)| *set).map(|(name, _)| format!("`{name}`")).collect();
    if !set.is_empty() {
        section.warn(
            format!("in mode \"segment\" {} has no effect", set.join(", ")),
            "set it in Segment's own destination, or let Selvedge deliver: mode = \"direct\"",
        );
    }
}

/// Whether one call may be both programs': they share a source and a kind of call, and no two different filters part them.
fn meet(one: &Program, other: &Program, config: &Config) -> bool {
    let listed = &config.segment.sources;
    let both = |key: &str, name: &str| takes(one, key, name) && takes(other, key, name);
    let no_sources = one.sources.is_none() || other.sources.is_none();
    let shares_source = if listed.is_empty() {
        no_sources || named_by_both(one, other)
    } else {
        listed.iter().any(|it| both(&it.write_key, &it.name))
    };
    let enabled =
        |program: &Program| [program.enable_page_events, program.enable_screen_events, program.enable_identify_events];
    let shares_kind = enabled(one).iter().zip(enabled(other)).any(|(one, other)| *one && other);
    let shares_event = events(one).any(|event| events(other).any(|theirs| theirs == event));
    let filter = |program: &Program| program.rule.filter.clone().filter(|filter| !filter.takes_all());
    let parted = filter(one).zip(filter(other)).is_some_and(|(one, other)| one != other);
    shares_source && (shares_kind || shares_event) && !parted
}

fn named_by_both(one: &Program, other: &Program) -> bool {
    let named = |program: &Program| program.sources.clone().unwrap_or_default();
    named(one).iter().any(|source| named(other).contains(source))
}

fn takes(program: &Program, write_key: &str, name: &str) -> bool {
    program.sources.as_ref().is_none_or(|sources| sources.iter().any(|source| source == write_key || source == name))
}

fn events(program: &Program) -> impl Iterator<Item = &String> {
    let lists = [&program.install_event_names, &program.action_event_names, &program.page_load_event_names];
    lists.into_iter().flatten()
}

fn is_same_campaign(one: &Program, other: &Program) -> bool {
    // One that is missing is a fault of its own.
    !one.campaign_id.is_empty() && (&one.account_sid, &one.campaign_id) == (&other.account_sid, &other.campaign_id)
}

//! What the configuration needs for what was chosen: a whole file, or what is appended to the one that is there.

use super::import::{Import, Written};
use super::write::{one_line, quoted};
use crate::destination::impact::{self, account, account::Campaign};
use crate::segment::public_api::{Region, Source};
use crate::{click, segment};
use std::fmt::Write;

/// What somebody chose.
#[derive(Debug)]
pub struct Chosen {
    /// The workspace's name for people.
    pub workspace: String,
    /// Where it lives.
    pub region: Region,
    /// The sources.
    pub sources: Vec<Source>,
    /// The programs.
    pub programs: Vec<Campaign>,
    /// Segment's own destinations behind the sources.
    pub destinations: Vec<Found>,
    /// The account.
    pub account_sid: String,
    /// Where a node finds the account's token.
    pub api_key: Key,
    /// The site's own server; of a new file only.
    pub origin: String,
    /// impact.com's API, where it is not the usual one; of a new file only.
    pub impact_api: Option<String>,
}

/// Where the token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// In a variable of the environment.
    Env(String),
    /// In a file.
    File(String),
}

/// A destination that delivers a source's calls to impact.com.
#[derive(Clone, Debug)]
pub struct Found {
    /// The source's id.
    pub source_id: String,
    /// Whether it delivers.
    pub enabled: bool,
    /// What it does.
    pub import: Import,
}

/// What the file has already.
#[derive(Clone, Copy, Debug)]
pub struct Existing<'c> {
    /// `[click]`
    pub click: &'c click::Config,
    /// `[segment]`
    pub segment: &'c segment::Config,
    /// `[impact]`
    pub impact: &'c impact::Config,
}

/// What to write, and what to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The new file, or what goes behind the end of the old one; empty: nothing.
    pub text: String,
    /// What somebody should know or do.
    pub notes: Vec<String>,
}

/// A write key under the name that the file knows it by.
struct Entry<'c> {
    name: String,
    key: &'c str,
    source: &'c Source,
    is_new: bool,
}

/// One `[[impact.program]]` to be.
struct Block<'c> {
    campaign: &'c Campaign,
    import: Option<&'c Import>,
    /// The sources' names; `None`: all.
    sources: Option<Vec<String>>,
}

/// Plans a new file, or what goes behind the end of an existing one.
pub fn plan(chosen: &Chosen, existing: Option<Existing<'_>>) -> Plan {
    let mut planning = Planning { chosen, existing, plan: Plan::default() };
    let entries = planning.entries();
    let blocks = planning.blocks(&entries);
    planning.warn_of_undelivered(&entries, &blocks);
    planning.warn_of_destinations();
    if existing.is_none() {
        planning.head();
    } else {
        planning.warn_of_neighbours(&entries);
    }
    for entry in entries.iter().filter(|entry| entry.is_new) {
        planning.source(entry);
    }
    if let (None, Some(api)) = (existing, &chosen.impact_api) {
        planning.say(&format!("\n[impact]\napi = {}\n", quoted(api)));
    }
    let mut names = planning.program_names();
    for block in &blocks {
        planning.program(block, &mut names);
    }
    planning.plan
}

struct Planning<'c> {
    chosen: &'c Chosen,
    existing: Option<Existing<'c>>,
    plan: Plan,
}

impl<'c> Planning<'c> {
    fn say(&mut self, text: &str) {
        self.plan.text.push_str(text);
    }

    fn note(&mut self, note: String) {
        self.plan.notes.push(note);
    }

    /// Every write key of the chosen sources; a source under rotation has two.
    fn entries(&mut self) -> Vec<Entry<'c>> {
        let known = self.existing.map(|existing| existing.segment.sources.as_slice()).unwrap_or_default();
        let mut names: Vec<String> = known.iter().map(|source| source.name.clone()).collect();
        let mut entries = Vec::new();
        for source in &self.chosen.sources {
            if source.write_keys.is_empty() {
                self.note(format!(
                    "the write key of `{}` is not shown to this token: it needs the role Source Admin or Workspace Owner",
                    source.slug
                ));
            }
            if !source.enabled {
                self.note(format!("the source `{}` is switched off in Segment", source.slug));
            }
            for key in &source.write_keys {
                let listed = known.iter().find(|listed| listed.write_key == *key);
                let name =
                    listed.map_or_else(|| unique(&one_line(&source.slug), &mut names), |listed| listed.name.clone());
                entries.push(Entry { name, key, source, is_new: listed.is_none() });
            }
        }
        entries
    }

    /// The programs that the file lacks: one for each way in which the destinations of a campaign are set up.
    fn blocks(&mut self, entries: &[Entry<'c>]) -> Vec<Block<'c>> {
        let names = |of: &dyn Fn(&Entry<'_>) -> bool| -> Vec<String> {
            entries.iter().filter(|entry| of(entry)).map(|entry| entry.name.clone()).collect()
        };
        let mut blocks = Vec::new();
        for campaign in &self.chosen.programs {
            let mut groups: Vec<(&Import, Vec<&str>)> = Vec::new();
            for found in self.found_for(campaign) {
                match groups.iter_mut().find(|(import, _)| *import == &found.import) {
                    Some((_, ids)) => ids.push(&found.source_id),
                    None => groups.push((&found.import, vec![&found.source_id])),
                }
            }
            if groups.is_empty() {
                // A program is for the sources that were chosen with it: another that comes later does not widen it.
                let sources = (self.existing.is_some() || !entries.is_empty()).then(|| names(&|_| true));
                blocks.push(Block { campaign, import: None, sources });
            }
            for (import, ids) in groups {
                let mine = names(&|entry| ids.contains(&entry.source.id.as_str()));
                let is_all = self.existing.is_none() && entries.is_empty();
                blocks.push(Block { campaign, import: Some(import), sources: (!is_all).then_some(mine) });
            }
        }
        blocks.retain(|block| block.sources.as_ref().is_none_or(|names| !names.is_empty()) && !self.is_covered(block));
        blocks
    }

    /// As in Segment, a source without a destination is not delivered, unless a program takes all sources.
    fn warn_of_undelivered(&mut self, entries: &[Entry<'_>], blocks: &[Block<'_>]) {
        let programs = self.existing.iter().flat_map(|existing| &existing.impact.programs);
        let known = programs.map(|program| program.sources.as_ref());
        let taken: Vec<Option<&Vec<String>>> = known.chain(blocks.iter().map(|block| block.sources.as_ref())).collect();
        let is_taken = |name: &String| taken.iter().any(|names| names.is_none_or(|names| names.contains(name)));
        for entry in entries.iter().filter(|entry| !is_taken(&entry.name)) {
            self.note(format!(
                "no program takes the calls of `{0}`: they are enriched, not delivered; add \"{0}\" to the `sources` of one",
                entry.name
            ));
        }
    }

    /// The destinations that deliver to a campaign of this account.
    fn found_for(&self, campaign: &Campaign) -> impl Iterator<Item = &'c Found> {
        let sid = &self.chosen.account_sid;
        let (id, found) = (campaign.id.clone(), self.chosen.destinations.iter());
        found.filter(move |found| {
            let import = &found.import;
            import.campaign_id.as_ref() == Some(&id) && import.account_sid.as_ref().is_none_or(|other| other == sid)
        })
    }

    /// Whether a program of the file takes these calls to this campaign already.
    fn is_covered(&mut self, block: &Block<'_>) -> bool {
        let Some(existing) = self.existing else { return false };
        let covers = |program: &&impact::Program| {
            let takes = |name: &String| program.sources.as_ref().is_none_or(|sources| sources.contains(name));
            program.account_sid == self.chosen.account_sid
                && program.campaign_id == block.campaign.id
                && block.sources.iter().flatten().all(takes)
        };
        let Some(program) = existing.impact.programs.iter().find(covers) else { return false };
        let imported =
            if block.import.is_some() { "; the destination's own settings are not imported again" } else { "" };
        self.note(format!(
            "the program `{}` takes these calls to campaign {} already{imported}",
            program.name, block.campaign.id
        ));
        true
    }

    fn warn_of_destinations(&mut self) {
        let slug =
            |id: &str| self.chosen.sources.iter().find(|source| source.id == id).map(|source| source.slug.clone());
        let enabled = self.chosen.destinations.iter().filter(|found| found.enabled);
        let slugs: Vec<String> = enabled.filter_map(|found| slug(&found.source_id)).collect();
        if !slugs.is_empty() {
            self.note(format!(
                "Segment's own destination \"{}\" still delivers the calls of {}: Selvedge switches it off in each call that \
                 it delivers itself; switch it off in Segment as soon as all calls pass here, or conversions count twice",
                impact::INTEGRATION,
                slugs.join(", ")
            ));
        }
        for found in &self.chosen.destinations {
            let Some(slug) = slug(&found.source_id) else { continue };
            let (sid, campaign) = (found.import.account_sid.as_ref(), found.import.campaign_id.as_ref());
            let is_chosen = |id: &&String| self.chosen.programs.iter().any(|program| program.id == **id);
            if let Some(sid) = sid.filter(|sid| **sid != self.chosen.account_sid) {
                self.note(format!(
                    "the destination of `{slug}` delivers to another account, {sid}: run this again for it"
                ));
            } else if campaign.filter(is_chosen).is_none() {
                let campaign = campaign.map_or("no campaign", |id| id.as_str());
                self.note(format!(
                    "the destination of `{slug}` is set up for {campaign}, which was not chosen: its settings are not imported"
                ));
            }
        }
    }

    /// What changes for the rest of the file, and what somebody has to change in it: this run does not touch it.
    fn warn_of_neighbours(&mut self, entries: &[Entry<'_>]) {
        let Some(existing) = self.existing else { return };
        let new: Vec<&str> = entries.iter().filter(|entry| entry.is_new).map(|entry| entry.name.as_str()).collect();
        if !new.is_empty() {
            if existing.segment.sources.is_empty() && !existing.impact.programs.is_empty() {
                self.note(
                    "until now the calls of every write key were delivered; from now on only those of the listed sources"
                        .to_owned(),
                );
            }
            for program in existing.impact.programs.iter().filter(|program| program.sources.is_none()) {
                self.note(format!(
                    "the program `{}` takes the calls of all sources: now of {} too",
                    program.name,
                    new.join(", ")
                ));
            }
        }
        let (wanted, api) = (self.chosen.region.tracking_api(), existing.segment.api.to_string());
        if self.chosen.region == Region::Eu && api.trim_end_matches('/') != wanted {
            self.note(format!("the workspace is in the EU: [segment] needs api = \"{wanted}\""));
        }
        for name in self.click_parameters() {
            if !existing.click.parameters.contains(&name) {
                self.note(format!("the program's landings carry `{name}`: add it to `parameters` of [click]"));
            }
        }
        if existing.impact.programs.iter().any(|program| program.account_sid != self.chosen.account_sid) {
            self.note(
                "the file has programs of another account: each needs its own token, see --impact-token-env".to_owned(),
            );
        }
    }

    fn click_parameters(&self) -> Vec<String> {
        let templates = self.chosen.programs.iter().flat_map(|program| &program.templates);
        account::click_parameters(&templates.cloned().collect::<Vec<_>>())
    }

    /// Everything of a new file that is not a source or a program.
    fn head(&mut self) {
        let chosen = self.chosen;
        let (workspace, account) = (one_line(&chosen.workspace), one_line(&chosen.account_sid));
        self.say(&format!(
            "# Written by `selvedge connect` for the workspace {workspace} of Segment and the account {account} of impact.com.\n\
             # Every other setting and its default: config/reference.toml. Is it fine: selvedge check --online\n\n\
             [listen]\n# Where visitors and SDKs come.\nhttp = \"0.0.0.0:8080\"\n\
             # The balancer that ends TLS, if there is one.\n# trusted_proxies = [\"10.0.0.0/8\"]\n\n\
             [[site]]\n# The site's own server.\norigin = {}\n# Its hosts; none: every host.\n# hosts = [\"www.example.com\"]\n\n\
             [click]\n",
            quoted(&chosen.origin)
        ));
        let parameters = self.click_parameters();
        if parameters.is_empty() {
            self.note(
                "no tracking template names the parameter of the click: im_ref is impact.com's default; see [User profile] → \
                 Settings → Tracking → Gateway"
                    .to_owned(),
            );
            self.say("# impact.com's default. See that it is the one of your tracking template.\nparameters = [\"im_ref\"]\n");
        } else {
            for program in &chosen.programs {
                for template in &program.templates {
                    self.say(&format!(
                        "# The tracking template of {}: {}\n",
                        one_line(&program.name),
                        one_line(template)
                    ));
                }
            }
            self.say(&format!("parameters = {}\n", Written::List(parameters)));
        }
        self.say("\n[segment]\n# SDKs talk to https://your.site/cdp.\nprefix = \"/cdp\"\n");
        if chosen.region == Region::Eu {
            let api = quoted(chosen.region.tracking_api());
            self.say(&format!("# The workspace is in the EU, and Segment takes its calls only there.\napi = {api}\n"));
        }
    }

    fn source(&mut self, entry: &Entry<'_>) {
        let name = entry.source.name.as_deref().unwrap_or(&entry.source.slug);
        self.say(&format!(
            "\n# The source \"{}\" of the workspace {}.\n[[segment.source]]\nname      = {}\nwrite_key = {}\n",
            one_line(name),
            one_line(&self.chosen.workspace),
            quoted(&entry.name),
            quoted(entry.key)
        ));
    }

    fn program_names(&self) -> Vec<String> {
        let existing = self.existing.map(|existing| existing.impact.programs.as_slice()).unwrap_or_default();
        existing.iter().map(|program| program.name.clone()).collect()
    }

    fn program(&mut self, block: &Block<'_>, names: &mut Vec<String>) {
        let campaign = block.campaign;
        let called = if campaign.name.is_empty() { &campaign.id } else { &campaign.name };
        let name = unique(&one_line(called), names);
        let api_key = match &self.chosen.api_key {
            Key::Env(name) => format!("{{ env = {} }}", quoted(name)),
            Key::File(path) => format!("{{ file = {} }}", quoted(path)),
        };
        let mut text = format!(
            "\n# The program \"{}\" of impact.com.\n[[impact.program]]\nname        = {}\naccount_sid = {}\n\
             # The account's Auth Token.\napi_key     = {api_key}\ncampaign_id = {}\n",
            one_line(called),
            quoted(&name),
            quoted(&self.chosen.account_sid),
            quoted(&campaign.id)
        );
        if let Some(sources) = &block.sources {
            // Writing to a string cannot fail.
            writeln!(text, "# It takes the calls of these sources only.\nsources = {}", Written::List(sources.clone()))
                .ok();
        }
        match block.import {
            Some(import) => text.push_str(&self.imported(&name, import)),
            None => text.push_str(
                "# The guide: required for web tracking.\nenable_page_events = true\n\
                 # Track events that are conversions; each is an Event Type of the account, or one of its Codes.\n\
                 # action_event_names = [\"Order Completed\"]\n",
            ),
        }
        self.say(&text);
    }

    /// The lines of what a destination of Segment's does.
    fn imported(&mut self, program: &str, import: &Import) -> String {
        let mut text = format!("# As Segment's destination \"{}\" has it.\n", impact::INTEGRATION);
        for (key, value) in &import.settings {
            writeln!(text, "{key} = {value}").ok();
        }
        for what in import.left_out.iter().map(|what| one_line(what)) {
            writeln!(text, "# Not imported: {what}.").ok();
            self.note(format!("not imported for `{program}`: {what}"));
        }
        text
    }
}

/// `name`, or the first of `name 2`, `name 3`, … that is free.
fn unique(name: &str, taken: &mut Vec<String>) -> String {
    let numbered = (2..).map(|number: u32| format!("{name} {number}"));
    let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken.contains(name));
    let free = free.unwrap_or_else(|| name.to_owned());
    taken.push(free.clone());
    free
}

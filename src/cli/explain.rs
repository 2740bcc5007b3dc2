//! `selvedge explain`: what would become of these events, and why. Nothing is stored or sent.

use super::FAILED;
use super::cells::printable;
use crate::attribution::Attribution;
use crate::clock::{Clock, Time};
use crate::config::{self, Config};
use crate::destination::{Endpoint, Gap, Param, Program, Request, Skip};
use crate::links::{self, Links};
use crate::metrics::Label;
use crate::proxy::calls::judge::{Facts, Rules, gaps, judge};
use crate::secret::Secrets;
use crate::segment::referrer::Kept;
use crate::segment::{CallKind, Envelope, Expect, View};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Explain what becomes of events: which click they earn, what goes to Segment, what goes to impact.com
///
/// Reads one call or batch per line. No secret's value is needed; nothing is stored or sent. Exit codes: 0 fine,
/// 1 a line was no event, 2 usage or configuration.
#[derive(Args)]
pub(super) struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "selvedge.toml")]
    config: PathBuf,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// When the events arrive (ISO 8601); left out: their receivedAt, else sentAt, else now
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Time>,
    /// Look links and first sightings up in the store; no node may be running on it
    #[arg(long)]
    with_store: bool,
    /// The events, one per line; left out: standard input
    events: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    /// For people: every parameter with its source
    Text,
    /// For machines: one JSON object per call and line
    Json,
}

fn time(text: &str) -> Result<Time, String> {
    Time::parse(text).ok_or_else(|| "expected a date and time with offset, such as 2026-11-24T12:00:00Z".to_owned())
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let loaded = match config::load(&arguments.config, Secrets::Optional) {
        Ok(loaded) => loaded,
        Err(faults) => return super::refuse(&faults.to_text()),
    };
    let input: Box<dyn BufRead> = match &arguments.events {
        None => Box::new(io::stdin().lock()),
        Some(path) => match File::open(path) {
            Ok(file) => Box::new(BufReader::new(file)),
            Err(error) => return super::refuse(&format!("{}: {error}\n", path.display())),
        },
    };
    let links = match arguments.with_store.then(|| open_links(&loaded.config)).transpose() {
        Ok(links) => links,
        Err(message) => return super::refuse(&message),
    };
    let explainer = Explainer::new(&loaded.config, links, arguments);
    match explainer.explain_all(input, &mut io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::from(FAILED),
    }
}

fn open_links(config: &Config) -> Result<Links, String> {
    let clock = Clock::System;
    let store = crate::store::Store::open(&config.store, clock.clone()).map_err(|error| format!("{error}\n"))?;
    let settings = links::Settings { window: config.click.window, policy: config.click.policy };
    Ok(Links::new(store, settings, clock))
}

struct Explainer<'a> {
    rules: Rules,
    links: Option<Links>,
    arguments: &'a Arguments,
}

impl<'a> Explainer<'a> {
    fn new(config: &Config, links: Option<Links>, arguments: &'a Arguments) -> Self {
        let rules = Rules::new(config.click.clone(), config.segment.clone(), config.impact.clone());
        Self { rules, links, arguments }
    }

    /// Explains every line; answers whether all of them were events.
    fn explain_all(&self, input: impl BufRead, out: &mut impl Write) -> io::Result<bool> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let mut all_fine = true;
        for line in input.split(b'\n') {
            let line = line?;
            if line.trim_ascii().is_empty() {
                continue;
            }
            for explained in runtime.block_on(self.explain(line.trim_ascii())) {
                all_fine &= explained.is_ok();
                self.print(explained, out)?;
            }
        }
        out.flush()?;
        Ok(all_fine)
    }

    fn print(&self, explained: Result<Explained<'_>, String>, out: &mut impl Write) -> io::Result<()> {
        match (explained, self.arguments.format) {
            (Ok(explained), Format::Json) => writeln!(out, "{}", explained.json()),
            (Ok(explained), Format::Text) => out.write_all(explained.text(self.links.is_some()).as_bytes()),
            (Err(error), Format::Json) => writeln!(out, "{}", json!({ "error": error })),
            (Err(error), Format::Text) => writeln!(out, "error: {error}\n"),
        }
    }

    /// Explains the call or the calls of one line.
    async fn explain(&self, line: &[u8]) -> Vec<Result<Explained<'_>, String>> {
        let (expect, count) = match expected(line) {
            Ok(expected) => expected,
            Err(error) => return vec![Err(error)],
        };
        let envelope = match Envelope::read(line, expect, &self.rules.names) {
            Ok(envelope) => envelope,
            Err(untouched) => return vec![Err(format!("goes on untouched: {}", untouched.label()))],
        };
        let write_key = envelope.write_key();
        let mut explained = Vec::new();
        for view in envelope.calls() {
            explained.push(Ok(self.explain_call(&view, write_key.as_deref()).await));
        }
        let no_calls = count.saturating_sub(explained.len());
        explained.extend(
            (0..no_calls).map(|_| Err("an item of the batch is no call: no object with a known type".to_owned())),
        );
        explained
    }

    async fn explain_call(&self, view: &View<'_>, write_key: Option<&str>) -> Explained<'_> {
        let own = |text: Option<std::borrow::Cow<'_, str>>| text.and_then(|text| Time::parse(&text));
        let arrival = self.arguments.at.or_else(|| own(view.received_at())).or_else(|| own(view.sent_at()));
        let facts = Facts {
            arrival: arrival.unwrap_or_else(|| Clock::System.now()),
            carried: None,
            visitor: None,
            write_key,
            space: self.rules.space(write_key, "default"),
        };
        let judged = judge(view, &facts, &self.rules, self.links.as_ref()).await;
        let goes_on = view.value(judged.edits());
        let told = match self.arguments.format {
            Format::Text => gaps(&judged, &facts, &self.rules),
            Format::Json => vec![Vec::new(); judged.requests.len()],
        };
        Explained {
            message_id: view.message_id().map(Into::into),
            call: view
                .event()
                .filter(|_| view.kind == CallKind::Track)
                .map_or_else(|| view.kind.label().to_owned(), Into::into),
            referrer: goes_on
                .as_ref()
                .and_then(|call| call.pointer("/context/referrer"))
                .filter(|r| r.is_object())
                .cloned(),
            attribution: judged.attribution,
            kept: judged.referrer.map(|referrer| referrer.map(drop)),
            deliveries: judged
                .requests
                .into_iter()
                .zip(told)
                .filter_map(|((program, request), gaps)| {
                    Some(Delivery { program: Program::named(&program, &self.rules.impact)?, request, gaps })
                })
                .collect(),
            skipped: judged.skipped,
            has_write_key: write_key.is_some(),
        }
    }
}

/// What a line is expected to hold, and how many calls.
fn expected(line: &[u8]) -> Result<(Expect, usize), String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| format!("not JSON: {error}"))?;
    let Value::Object(object) = value else { return Err("not an event: expected a JSON object".to_owned()) };
    if let Some(Value::Array(items)) = object.get("batch") {
        return Ok((Expect::Batch, items.len()));
    }
    match object.get("type").and_then(Value::as_str) {
        None => Err("not an event: it has no \"type\", such as \"track\"".to_owned()),
        Some(kind) => CallKind::parse(kind).map(|kind| (Expect::One(kind), 1)).ok_or_else(|| {
            format!("not an event: type {kind:?}; expected track, page, screen, identify, group or alias")
        }),
    }
}

/// One call, explained.
struct Explained<'a> {
    message_id: Option<String>,
    call: String,
    referrer: Option<Value>,
    attribution: Option<Attribution>,
    kept: Option<Result<(), Kept>>,
    deliveries: Vec<Delivery<'a>>,
    skipped: Vec<(String, Skip)>,
    has_write_key: bool,
}

/// What one program gets of it.
struct Delivery<'a> {
    program: Program<'a>,
    request: Request,
    gaps: Vec<Gap>,
}

impl Explained<'_> {
    fn json(&self) -> Value {
        let attribution = self
            .attribution
            .as_ref()
            .map(|Attribution { click, basis }| json!({ "click_id": click.id.as_str(), "basis": basis.label() }));
        let deliveries: Vec<Value> = self.deliveries.iter().map(Delivery::json).collect();
        let skipped: Vec<Value> =
            self.skipped.iter().map(|(program, skip)| json!({ "program": program, "reason": skip.label() })).collect();
        json!({
            "message_id": self.message_id,
            "attribution": attribution,
            "referrer": self.referrer,
            "deliveries": deliveries,
            "skipped": skipped,
        })
    }

    /// For people; whether links were looked up, too, tells what an absent click means.
    fn text(&self, links_asked: bool) -> String {
        let message_id = printable(self.message_id.as_deref().unwrap_or("no messageId"));
        let mut text = format!("{} ({message_id})\n", printable(&self.call));
        match &self.attribution {
            None if links_asked => text.push_str("  click      none: no evidence in the call, no link in the store\n"),
            None => text.push_str("  click      none: no evidence in the call (--with-store looks links up)\n"),
            Some(Attribution { click, basis }) => {
                text.push_str(&format!("  click      {} ({})\n", click.id.as_str(), basis.label()))
            }
        }
        let referrer = self.referrer.as_ref().map_or_else(|| "none".to_owned(), Value::to_string);
        let written = match &self.kept {
            Some(Ok(())) => "written by Selvedge".to_owned(),
            Some(Err(kept)) => format!("as it came: {}", kept.label()),
            None => "as it came".to_owned(),
        };
        text.push_str(&format!("  referrer   {} ({written})\n", printable(&referrer)));
        for delivery in &self.deliveries {
            text.push_str(&delivery.text());
        }
        for (program, skip) in &self.skipped {
            text.push_str(&format!("  {program}: nothing is delivered: {}{}\n", skip.label(), self.help(*skip)));
        }
        text.push('\n');
        text
    }

    /// How a person finds out more.
    fn help(&self, skip: Skip) -> &'static str {
        match skip {
            Skip::SourceNotListed if !self.has_write_key => " (the line has no \"writeKey\": add its source's)",
            Skip::Filter => " (`selvedge filter` shows the value of each part)",
            _ => "",
        }
    }
}

impl Delivery<'_> {
    fn json(&self) -> Value {
        let Self { program, request, .. } = self;
        let (method, url) = program.target(request);
        let params: Map<String, Value> =
            request.params.iter().map(|param| (param.name.to_string(), param.value.clone().into())).collect();
        let mut told = json!({ "program": program.name(), "endpoint": endpoint(request), "method": method, "url": url, "params": params });
        if let (Some(unfit), Some(told)) = (program.unfit(request), told.as_object_mut()) {
            told.insert("dead_letter".to_owned(), unfit.label().into());
        }
        told
    }

    /// Every parameter with its value, the property that gave it and, where that is not all of it, the guide's row; then
    /// the rows that gave nothing, and why.
    fn text(&self) -> String {
        let Self { program, request, gaps } = self;
        let (method, url) = program.target(request);
        let mut text = format!("  {}: {} {method} {url}\n", program.name(), endpoint(request));
        if let Some(unfit) = program.unfit(request) {
            text.push_str(&format!("    not sent, a dead letter: {}: {}\n", unfit.label(), unfit.words()));
        }
        let names = request.params.iter().map(|param| &param.name).chain(gaps.iter().map(|gap| &gap.name));
        let width = names.map(|name| name.chars().count()).max().unwrap_or(0);
        for Param { name, value, source } in &request.params {
            let row = program.row(request.endpoint, name).filter(|row| row != source);
            let row = row.map(|row| format!("  (row: {row})")).unwrap_or_default();
            let [name, value, source] = [&**name, &**value, &**source].map(printable);
            text.push_str(&format!("    {name:width$}  {value}  ← {source}{row}\n"));
        }
        for Gap { name, why } in gaps {
            text.push_str(&format!("    {name:width$}  –  {why}\n"));
        }
        text
    }
}

/// The guide's name of a request's endpoint.
fn endpoint(request: &Request) -> &'static str {
    match request.endpoint {
        Endpoint::Conversions => "Conversions",
        Endpoint::PageLoad => "PageLoad",
        Endpoint::Actions => "Actions",
    }
}

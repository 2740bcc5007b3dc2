//! `selvedge filter`: what a filter is for these events, part by part.

use super::FAILED;
use super::cells::printable;
use crate::fault::Faults;
use crate::filter::{Event, Filter, Part};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Try a filter in FQL: is it one, and which events does it take
///
/// Reads one event per line, and prints whether the filter takes it and what each of its parts is. Without events it only
/// prints how the filter is understood. Exit codes: 0 fine, 1 a line was no event, 2 usage or a faulty filter.
#[derive(Args)]
pub(super) struct Arguments {
    /// The filter, such as 'properties.region = "Canada"'
    #[arg(value_name = "FQL", allow_hyphen_values = true)]
    filter: String,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The events, one per line; left out: standard input, unless it is a terminal
    events: Vec<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    /// For people: every part with its value
    Text,
    /// For machines: one JSON object per line
    Json,
}

/// What the filter is called where its faults are told, and standard input where its lines are.
const FILTER: &str = "filter";
const STDIN: &str = "stdin";

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut faults = Faults::new(FILTER, &arguments.filter);
    Filter::doubts(&arguments.filter).into_iter().for_each(|doubt| faults.push(doubt));
    let filter = Filter::parse(&arguments.filter).map_err(|fault| faults.push(fault));
    let as_json = arguments.format == Format::Json;
    let Ok(filter) = filter else {
        return super::refuse(&if as_json { faults.to_json() + "\n" } else { faults.to_text() });
    };
    super::say(&faults.to_text());
    let inputs = match inputs(&arguments.events) {
        Ok(inputs) => inputs,
        Err(message) => return super::refuse(&message),
    };
    let mut trial = Trial { filter: &filter, as_json, out: io::stdout().lock() };
    match trial.run(inputs) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::from(FAILED),
    }
}

/// Lines of events, and what they are called.
type Input = (String, Box<dyn BufRead>);

fn inputs(paths: &[PathBuf]) -> Result<Vec<Input>, String> {
    if paths.is_empty() {
        let stdin = io::stdin();
        let none = stdin.is_terminal();
        return Ok(if none { Vec::new() } else { vec![(STDIN.to_owned(), Box::new(stdin.lock()))] });
    }
    let open = |path: &PathBuf| -> Result<Input, String> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| format!("{name}: {error}\n"))?;
        Ok((name, Box::new(BufReader::new(file))))
    };
    paths.iter().map(open).collect()
}

struct Trial<'f, W> {
    filter: &'f Filter,
    as_json: bool,
    out: W,
}

impl<W: Write> Trial<'_, W> {
    /// Tries the filter on every line; answers whether all of them were events.
    fn run(&mut self, inputs: Vec<Input>) -> io::Result<bool> {
        if inputs.is_empty() {
            let read = self.filter.to_string();
            let line = if self.as_json { json!({ "filter": read }).to_string() } else { read };
            writeln!(self.out, "{line}")?;
        }
        let mut all_fine = true;
        for (name, lines) in inputs {
            for (line, number) in lines.split(b'\n').zip(1_u64..) {
                let line = line?;
                if line.trim_ascii().is_empty() {
                    continue;
                }
                let tried = self.tried(&line);
                all_fine &= tried.is_ok();
                self.print(&name, number, tried)?;
            }
        }
        self.out.flush()?;
        Ok(all_fine)
    }

    /// Whether the filter takes the event of a line, and its parts.
    fn tried(&self, line: &[u8]) -> Result<(bool, Option<Part>), String> {
        let value: Value = serde_json::from_slice(line).map_err(|error| format!("not JSON: {error}"))?;
        if !value.is_object() {
            return Err("not an event: expected a JSON object".to_owned());
        }
        if value.get("batch").is_some_and(Value::is_array) {
            return Err("a batch: filters see its calls one by one".to_owned());
        }
        let event = Event::new(&value);
        Ok((self.filter.takes(&event), self.filter.parts(&event)))
    }

    fn print(&mut self, file: &str, line: u64, tried: Result<(bool, Option<Part>), String>) -> io::Result<()> {
        match (tried, self.as_json) {
            (Ok((takes, parts)), true) => {
                let parts = parts.as_ref().map(machine);
                writeln!(self.out, "{}", json!({ "file": file, "line": line, "match": takes, "parts": parts }))
            }
            (Err(error), true) => writeln!(self.out, "{}", json!({ "file": file, "line": line, "error": error })),
            (Ok((takes, parts)), false) => {
                writeln!(self.out, "{file}:{line}: {}", if takes { "match" } else { "no match" })?;
                parts.iter().try_for_each(|part| self.person(part, 1))
            }
            (Err(error), false) => writeln!(self.out, "{file}:{line}: error: {error}"),
        }
    }

    /// A part and, deeper, its parts.
    fn person(&mut self, part: &Part, depth: usize) -> io::Result<()> {
        writeln!(self.out, "{}{}  → {}", "  ".repeat(depth), shown(&part.expression), shown(&part.value.to_string()))?;
        part.parts.iter().try_for_each(|part| self.person(part, depth + 1))
    }
}

fn machine(part: &Part) -> Value {
    let parts: Vec<Value> = part.parts.iter().map(machine).collect();
    json!({ "expression": part.expression, "value": part.value, "parts": parts })
}

/// What is longer is cut for people.
const SHOWN_CHARS_MAX: usize = 200;

/// As much of a text as a person wants to see.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        None => printable(text),
        Some((end, _)) => printable(text.get(..end).unwrap_or_default()) + "…",
    }
}

//! Secrets in the configuration: from the environment, from a file, or (with a warning) from the text itself.

use super::section::is_unset;
use super::{Fault, Faults, Section};
use crate::secret::{Secret, Secrets};
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::DeValue;

/// The largest file that is read as a secret. Keys and tokens are a few hundred bytes; whoever names a log file by
/// mistake gets a sentence.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// How a secret is written.
const HELP: &str = "write { env = \"NAME\" } or { file = \"path\" }";

impl Section<'_> {
    /// A secret: `{ env = "NAME" }`, `{ file = "path" }` (relative to the configuration file; the line's end is
    /// trimmed), or the value itself, with a warning. `""` is the same as absent.
    ///
    /// `None` also when the variable or the file is not there: an error if secrets are required, else a warning.
    pub fn secret(&mut self, key: &'static str) -> Option<Secret> {
        let value = self.ask(key)?;
        match value.get_ref() {
            DeValue::String(_) if is_unset(value) => None,
            DeValue::String(text) => {
                self.reader.hide(value.span());
                let message = format!("`{key}` stands in the file itself, for every reader of the file");
                self.reader.push(Fault::warning(value.span(), message).help(HELP));
                Some(Secret::new(text.as_ref()))
            }
            DeValue::Table(_) => self.fetch(key, value),
            _ => {
                self.reader.hide(value.span());
                self.mistyped(key, value, "a secret", HELP)
            }
        }
    }

    fn fetch(&mut self, key: &'static str, value: &Spanned<DeValue<'_>>) -> Option<Secret> {
        let mut section = self.section(key);
        let (env, file) = (section.value("env", &super::form::TEXT), section.value("file", &super::form::TEXT));
        let named = ["env", "file"].iter().filter(|key| !section.places(key).is_empty()).count();
        section.finish();
        let fetched = match (env, file) {
            (Some(name), _) if !is_variable_name(&name) => {
                // Somebody may have put the token where its variable's name belongs.
                self.reader.hide(value.span());
                let message = format!("`{key}`: that is not the name of an environment variable");
                return self.fault_at(value.span(), message, HELP);
            }
            (Some(name), None) if named == 1 => from_environment(&name),
            (None, Some(path)) if named == 1 => self.read_secret_file(value, &path),
            _ => return self.fault_at(value.span(), format!("`{key}` must name either a variable or a file"), HELP),
        };
        match fetched {
            Ok(secret) => Some(secret),
            Err(missing) => {
                let fault = match self.reader.secrets {
                    Secrets::Required => Fault::error(value.span(), format!("`{key}`: {missing}")),
                    Secrets::Optional => Fault::warning(value.span(), format!("`{key}`: {missing}")),
                };
                self.reader.push(fault.help("it is needed to run"));
                None
            }
        }
    }

    fn read_secret_file(&self, value: &Spanned<DeValue<'_>>, path: &str) -> Result<Secret, String> {
        let full = self.reader.folder.join(path);
        let length =
            std::fs::metadata(&full).map_err(|error| format!("the file `{path}` cannot be read: {error}"))?.len();
        if length > SECRET_BYTES_MAX {
            return Err(format!("the file `{path}` is too large for a secret"));
        }
        let text =
            std::fs::read_to_string(&full).map_err(|error| format!("the file `{path}` cannot be read: {error}"))?;
        if is_world_readable(&full) {
            let message = format!("everybody on this machine can read `{path}`");
            self.reader.push(Fault::warning(value.span(), message).help(format!("chmod 600 {path}")));
        }
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(format!("the file `{path}` is empty")),
            secret => Ok(Secret::new(secret)),
        }
    }
}

/// Blots out the rest of a syntax fault's line behind a word that names secrets: where a quote or the `=` is missing,
/// the token beside it must not be printed.
pub(super) fn hide_broken_secret(faults: &mut Faults, text: &str, span: &Range<usize>) {
    const WORDS: [&str; 4] = ["key", "token", "secret", "password"];
    let start = text.get(..span.start).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let lower = line.to_ascii_lowercase();
    if let Some(end) = WORDS.iter().filter_map(|word| Some(lower.find(word)? + word.len())).min() {
        faults.hide(start + end..start + line.len());
    }
}

fn from_environment(name: &str) -> Result<Secret, String> {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => Ok(Secret::new(value)),
        Ok(_) => Err(format!("the environment variable `{name}` is empty")),
        Err(std::env::VarError::NotPresent) => Err(format!("the environment variable `{name}` is not set")),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("the environment variable `{name}` is not UTF-8")),
    }
}

fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(unix)]
fn is_world_readable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    /// The bit of a file's mode that lets everybody read.
    const OTHERS_READ: u32 = 0o004;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & OTHERS_READ != 0)
}

#[cfg(not(unix))]
fn is_world_readable(_: &Path) -> bool {
    false
}

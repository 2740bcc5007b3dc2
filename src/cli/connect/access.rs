//! The credentials of both accounts: from a file, the environment, or a person.

use super::Failure;
use super::choice::ask;
use super::hidden::hidden;
use crate::connect::plan::Key;
use crate::secret::Secret;
use crate::segment::public_api::Region;
use clap::{Args, ValueEnum};
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

/// Where the token of Segment's Public API is looked for.
const SEGMENT_TOKEN: &str = "SEGMENT_PUBLIC_API_TOKEN";

/// Where the Account SID is looked for.
const IMPACT_SID: &str = "IMPACT_ACCOUNT_SID";

/// The largest file that is read as a secret; tokens are a few hundred bytes.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

#[derive(Args)]
#[command(next_help_heading = "Accounts")]
pub(super) struct Access {
    /// The file with the token of Segment's Public API [default: the variable SEGMENT_PUBLIC_API_TOKEN, else a prompt]
    #[arg(long, value_name = "FILE")]
    segment_token_file: Option<PathBuf>,
    /// impact.com's Account SID [default: the variable IMPACT_ACCOUNT_SID, else a prompt]
    #[arg(long, value_name = "SID")]
    impact_sid: Option<String>,
    /// The file with impact.com's Auth Token, for the configuration too [default: the variable, else a prompt]
    #[arg(long, value_name = "FILE")]
    impact_token_file: Option<PathBuf>,
    /// The variable with impact.com's Auth Token, for the configuration too
    #[arg(long, value_name = "NAME", default_value = "IMPACT_AUTH_TOKEN", conflicts_with = "impact_token_file")]
    impact_token_env: String,
    /// Where the workspace lives [default: wherever its token is known]
    #[arg(long, value_enum)]
    region: Option<Place>,
    /// Another address for Segment's Public API
    #[arg(long, value_name = "URL")]
    segment_api: Option<String>,
    /// Another address for impact.com's API
    #[arg(long, value_name = "URL")]
    impact_api: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Place {
    /// The United States
    Us,
    /// The European Union
    Eu,
}

/// Everything that opens both accounts.
pub(super) struct Gathered {
    pub(super) segment_token: Secret,
    pub(super) impact_sid: String,
    pub(super) impact_token: Secret,
    /// Where a node will find the token.
    pub(super) api_key: Key,
}

impl Access {
    /// Where the workspace may be.
    pub(super) fn places(&self) -> Vec<(Region, String)> {
        let regions = match self.region {
            Some(Place::Us) => vec![Region::Us],
            Some(Place::Eu) => vec![Region::Eu],
            // Whoever names an address means that one only.
            None if self.segment_api.is_some() => vec![Region::Us],
            None => vec![Region::Us, Region::Eu],
        };
        let base = |region: Region| self.segment_api.clone().unwrap_or_else(|| region.public_api().to_owned());
        regions.into_iter().map(|region| (region, base(region))).collect()
    }

    pub(super) fn impact_api(&self) -> Option<&str> {
        self.impact_api.as_deref()
    }

    /// Gathers the credentials for the configuration at `config`, and asks for what is nowhere else.
    pub(super) fn gather(&self, config: &Path) -> Result<Gathered, Failure> {
        for (flag, api) in [("--segment-api", &self.segment_api), ("--impact-api", &self.impact_api)] {
            let read = api.as_deref().map(crate::fault::form::SERVER.read).transpose();
            read.map_err(|why| Failure::Usage(format!("{flag}: {why}")))?;
        }
        let token = lookup(self.segment_token_file.as_deref(), SEGMENT_TOKEN)?;
        let sid = self.impact_sid.clone().or_else(|| variable(IMPACT_SID));
        let key = lookup(self.impact_token_file.as_deref(), &self.impact_token_env)?;
        let missing = [
            (token.is_none(), format!("Segment's token: --segment-token-file, or the variable {SEGMENT_TOKEN}")),
            (sid.is_none(), format!("the Account SID: --impact-sid, or the variable {IMPACT_SID}")),
            (key.is_none(), format!("the Auth Token: --impact-token-file, or the variable {}", self.impact_token_env)),
        ];
        let missing: Vec<String> =
            missing.into_iter().filter(|(is_missing, _)| *is_missing).map(|(_, what)| what).collect();
        if !missing.is_empty() && !io::stdin().is_terminal() {
            return Err(Failure::Usage(format!("missing, and there is nobody to ask:\n  {}", missing.join("\n  "))));
        }
        let segment_token = token.map_or_else(|| hidden("Token of Segment's Public API: "), Ok)?;
        let impact_sid = sid.map_or_else(|| ask("Account SID of impact.com: "), Ok)?;
        let impact_token = key.map_or_else(|| hidden("Auth Token of impact.com: "), Ok)?;
        if impact_sid.is_empty() || impact_sid.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(Failure::Usage(
                "that is no Account SID: see [User profile] → Settings → Technical → API".to_owned(),
            ));
        }
        Ok(Gathered {
            segment_token: whole("Segment's token", &segment_token)?,
            impact_sid,
            impact_token: whole("the Auth Token", &impact_token)?,
            api_key: self.key(config)?,
        })
    }

    /// Where a node finds the token: a file is named as the configuration's folder sees it.
    fn key(&self, config: &Path) -> Result<Key, Failure> {
        let Some(file) = &self.impact_token_file else { return Ok(Key::Env(self.impact_token_env.clone())) };
        let (file, config) = (std::path::absolute(file)?, std::path::absolute(config)?);
        let beside = config.parent().and_then(|folder| file.strip_prefix(folder).ok());
        Ok(Key::File(beside.unwrap_or(&file).display().to_string()))
    }
}

/// A token's value, if it can be one: it goes into a header field.
fn whole(what: &str, token: &str) -> Result<Secret, Failure> {
    let token = token.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::Usage(format!("{what} is empty, or has characters that no token has")));
    }
    Ok(Secret::new(token))
}

/// From the file that was named, else from the environment.
fn lookup(file: Option<&Path>, name: &str) -> Result<Option<String>, Failure> {
    let Some(path) = file else { return Ok(variable(name)) };
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(SECRET_BYTES_MAX).read_to_string(&mut text));
    read.map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    Ok(Some(text))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

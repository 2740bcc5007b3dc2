//! Asking one API: one GET at a time, bounded in time, size, pages and patience.

use crate::clock::Clock;
use crate::destination::impact::answer;
use crate::secret::Secret;
use reqwest::redirect;
use serde_json::Value;
use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

/// Long enough for two lost packets of a TCP handshake (1 s + 2 s).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One question and its answer. A page of a thousand programs takes seconds; a person waits.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);

/// What is read of an answer: a page of 200 sources or 1,000 programs with all their settings stays below it.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Pages of one list: 10,000 sources, or 50,000 programs. A list that goes on for longer goes in circles.
const PAGES_MAX: usize = 50;

/// How often a question is asked that is answered 429.
const TRIES_MAX: u32 = 3;

/// The longest wait that is heeded: a person sits in front of it.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// The wait when a 429 names none.
const WAIT: Duration = Duration::from_secs(2);

/// How the asker is known.
#[derive(Clone, Debug)]
pub(super) enum Credentials {
    /// A token of Segment's.
    Bearer(Secret),
    /// impact.com's Account SID and Auth Token.
    Basic(String, Secret),
    /// Nobody in particular.
    Open,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No connection, no answer in time, or half of one; in the system's words.
    Unreachable(String),
    /// Another status than 200, with the server's own words.
    Refused {
        /// The status.
        status: u16,
        /// What the server says about it, in one line.
        words: String,
    },
    /// 429, again and again, or with a wait that nobody sits out.
    Busy,
    /// The answer, or the list, is larger than any that is real.
    TooLarge,
    /// 200, but not what the documentation shows.
    Strange,
}

impl Trouble {
    /// The status, if it is one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Busy => Some(429),
            Self::Unreachable(_) | Self::TooLarge | Self::Strange => None,
        }
    }

    /// One sentence, for a server of this name; statuses that deserve a sentence of their own are told before.
    pub fn sentence(&self, server: &str) -> String {
        match self {
            Self::Unreachable(why) => {
                format!("{server} cannot be reached: {why}; look at this machine's network, DNS and proxy")
            }
            Self::Refused { status, words } if words.is_empty() => {
                format!("{server} answers {status}; try again later")
            }
            Self::Refused { status, words } => format!("{server} answers {status}: {words}"),
            Self::Busy => format!("{server} asks to be left alone for longer than a minute (429); try again later"),
            Self::TooLarge => format!("{server} answers with more than can be real; is that the right address?"),
            Self::Strange => {
                format!("{server} answers what its documentation does not know; is that the right address?")
            }
        }
    }
}

/// A client for one base address.
#[derive(Clone, Debug)]
pub(super) struct Api {
    http: reqwest::Client,
    base: String,
    headers: Vec<(&'static str, String)>,
    credentials: Credentials,
}

impl Api {
    /// Prepares it; nothing is asked yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn new(
        base: &str,
        credentials: Credentials,
        headers: Vec<(&'static str, String)>,
    ) -> Result<Self, Trouble> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("selvedge/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(EXCHANGE_TIMEOUT)
            // The credentials are for this server only.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| Trouble::Unreachable(in_words(error)))?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), headers, credentials })
    }

    /// The JSON at `path`, which begins with a slash.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Trouble> {
        let body = self.body(path).await?;
        serde_json::from_slice(&body).map_err(|_| Trouble::Strange)
    }

    /// All elements of a list: `read` reads a page, `next` the path of the one behind it.
    pub(super) async fn list<T>(
        &self,
        first: String,
        read: impl Fn(&Value) -> Option<Vec<T>>,
        next: impl Fn(&Value) -> Option<String>,
    ) -> Result<Vec<T>, Trouble> {
        let (mut all, mut asked) = (Vec::new(), BTreeSet::new());
        let mut path = Some(first);
        while let Some(page) = path {
            // A page that was there already leads in a circle.
            if asked.len() == PAGES_MAX || !asked.insert(page.clone()) {
                return Err(Trouble::TooLarge);
            }
            let answer = self.get(&page).await?;
            all.extend(read(&answer).ok_or(Trouble::Strange)?);
            path = next(&answer);
        }
        Ok(all)
    }

    async fn body(&self, path: &str) -> Result<Vec<u8>, Trouble> {
        for _ in 1..TRIES_MAX {
            let response = self.send(path).await?;
            if response.status() != reqwest::StatusCode::TOO_MANY_REQUESTS {
                return read(response).await;
            }
            let wait = answer::wait(response.headers(), Clock::System.now()).unwrap_or(WAIT);
            if wait > WAIT_MAX {
                return Err(Trouble::Busy);
            }
            tokio::time::sleep(wait).await;
        }
        let response = self.send(path).await?;
        if response.status() == reqwest::StatusCode::TOO_MANY_REQUESTS {
            Err(Trouble::Busy)
        } else {
            read(response).await
        }
    }

    async fn send(&self, path: &str) -> Result<reqwest::Response, Trouble> {
        let mut request = self.http.get(format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request = match &self.credentials {
            Credentials::Bearer(token) => request.bearer_auth(token.reveal()),
            Credentials::Basic(user, password) => request.basic_auth(user, Some(password.reveal())),
            Credentials::Open => request,
        };
        request.send().await.map_err(|error| Trouble::Unreachable(in_words(error)))
    }
}

/// The body of a good answer.
async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, Trouble> {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= ANSWER_BYTES_MAX => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err(Trouble::TooLarge),
            Ok(None) => break,
            // What is refused is refused, with or without words.
            Err(error) if status == 200 => return Err(Trouble::Unreachable(in_words(error))),
            Err(_) => break,
        }
    }
    if status == 200 { Ok(body) } else { Err(Trouble::Refused { status, words: answer::words_of(&body) }) }
}

/// An error without the URL, which holds the account's SID.
fn in_words(error: reqwest::Error) -> String {
    with_causes(&error.without_url())
}

/// An error with its causes.
pub(super) fn with_causes(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words.push_str(": ");
        words.push_str(&inner.to_string());
        cause = inner.source();
    }
    words
}

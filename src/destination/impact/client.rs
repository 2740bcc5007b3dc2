//! The two endpoints of impact.com: Conversions (Basic authentication) and PageLoad (none).

use super::super::{Endpoint, Outcome, Trouble};
use super::answer::{self, Answer};
use super::config::{Config, Program};
use crate::clock::Clock;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::redirect;
use std::error::Error;
use std::time::Duration;

/// Long enough for two lost packets of a TCP handshake (1 s + 2 s), and nothing was sent yet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The whole exchange; cutting a conversion short leaves open whether it was taken, so this is generous.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);

/// What is read of an answer: its words are a line or two, and a page of HTML from a gateway is no use whole.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The client's settings could not be turned into a working TLS client.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare the HTTPS client for impact.com")]
pub struct CannotStart(#[source] reqwest::Error);

/// Delivers mapped requests. Cheap to clone; connections are pooled.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    clock: Clock,
}

impl Client {
    /// Prepares the client; connections are made when they are needed. `clock` is for dates in `Retry-After`.
    ///
    /// # Errors
    /// [`CannotStart`] when TLS cannot be set up.
    pub fn new(clock: Clock) -> Result<Self, CannotStart> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("selvedge/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(EXCHANGE_TIMEOUT)
            // The credentials are for the configured host only, and a redirected POST would lose its body.
            .redirect(redirect::Policy::none())
            // A second send is the retry rule's decision, which knows whether it is safe.
            .retry(reqwest::retry::never())
            .build()
            .map_err(CannotStart)?;
        Ok(Self { http, clock })
    }

    /// Makes one attempt. `params` are sent as a form, in their order.
    pub async fn deliver(
        &self,
        shared: &Config,
        program: &Program,
        endpoint: Endpoint,
        params: &[(String, String)],
    ) -> Outcome {
        let mut request =
            self.http.post(url(shared, program, endpoint)).header("Accept", "application/json").form(params);
        if endpoint == Endpoint::Conversions {
            let Some(key) = &program.api_key else {
                return not_now(Trouble::NotSent, "the program has no api_key");
            };
            request = request.basic_auth(&program.account_sid, Some(key.reveal()));
            if !shared.version.is_empty() {
                request = request.header("IR-Version", &shared.version);
            }
        }
        match request.send().await {
            Ok(response) => answer::outcome(&read(response).await, endpoint, self.clock.now()),
            // A builder's error is a header that cannot be one; like a failed connection, it comes before the first byte.
            Err(error) if error.is_connect() || error.is_builder() => not_now(Trouble::NotSent, &in_words(error)),
            Err(error) => not_now(Trouble::MaybeSent, &in_words(error)),
        }
    }
}

/// Where requests of an endpoint go.
pub(in crate::destination) fn url(shared: &Config, program: &Program, endpoint: Endpoint) -> String {
    match endpoint {
        Endpoint::Conversions => {
            let account = utf8_percent_encode(&program.account_sid, NON_ALPHANUMERIC);
            format!("{}/Advertisers/{account}/Conversions", shared.api.to_string().trim_end_matches('/'))
        }
        Endpoint::PageLoad => format!("{}/PageLoad", shared.tracking.to_string().trim_end_matches('/')),
    }
}

/// Reads an answer, bounded. Its status has decided by then: a body that breaks off only costs us words.
async fn read(mut response: reqwest::Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = ANSWER_BYTES_MAX - body.len();
        body.extend(chunk.iter().take(room));
        if body.len() == ANSWER_BYTES_MAX {
            break;
        }
    }
    Answer { status, headers, body }
}

fn not_now(why: Trouble, detail: &str) -> Outcome {
    Outcome::Retry { why, detail: answer::bounded(detail), after: None }
}

/// An error with its causes; without the URL, which holds the account's SID.
fn in_words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words.push_str(": ");
        words.push_str(&inner.to_string());
        cause = inner.source();
    }
    words
}

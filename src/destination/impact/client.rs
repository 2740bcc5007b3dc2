//! The endpoints of impact.com: Conversions and Actions (Basic authentication), and PageLoad (none).

use super::super::{Attempt, Endpoint, Outcome, Trouble};
use super::answer::{self, Answer};
use super::config::{Config, Program};
use super::{account, refund};
use crate::clock::Clock;
use http::{Method, Uri};
use reqwest::{RequestBuilder, redirect};
use std::error::Error;
use std::time::Duration;

/// Long enough for two lost packets of a TCP handshake (1 s + 2 s), and nothing was sent yet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The whole exchange; cutting a conversion short leaves open whether it was taken, so this is generous.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);

/// Shorter than the 60 s after which common balancers hang up: a request written into a closing connection leaves open
/// whether it was taken.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// What is read of an answer: its words are a line or two, and a page of HTML from a gateway is no use whole.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The client's settings could not be turned into a working TLS client.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare the HTTPS client for impact.com")]
pub struct CannotStart(#[source] reqwest::Error);

/// Delivers mapped requests. Cheap to clone; connections are pooled.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) http: reqwest::Client,
    pub(super) clock: Clock,
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
            .pool_idle_timeout(IDLE_TIMEOUT)
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
    ) -> Attempt {
        let (method, url) = target(shared, program, endpoint, params);
        let mut request = self.http.request(method, url).header("Accept", "application/json").form(params);
        if endpoint != Endpoint::PageLoad {
            let Some(authenticated) = authenticated(request, shared, program) else {
                return not_now(Trouble::NotSent, "the program has no api_key").into();
            };
            request = authenticated;
        }
        match request.send().await {
            Ok(response) => {
                let (answer, now) = (read(response, ANSWER_BYTES_MAX).await, self.clock.now());
                Attempt { outcome: answer::outcome(&answer, endpoint, now), quota: answer::quota(&answer, now) }
            }
            // A builder's error is a header that cannot be one; like a failed connection, it comes before the first byte.
            Err(error) if error.is_connect() || error.is_builder() => {
                not_now(Trouble::NotSent, &in_words(error)).into()
            }
            Err(error) => not_now(Trouble::MaybeSent, &in_words(error)).into(),
        }
    }
}

/// How and where a form goes.
pub(in crate::destination) fn target(
    shared: &Config,
    program: &Program,
    endpoint: Endpoint,
    params: &[(String, String)],
) -> (Method, String) {
    match endpoint {
        Endpoint::Conversions => (Method::POST, at(&shared.api, &account::conversions_path(&program.account_sid))),
        Endpoint::PageLoad => (Method::POST, at(&shared.tracking, "/PageLoad")),
        Endpoint::Actions => {
            let method = if refund::is_reversal(params) { Method::DELETE } else { Method::PUT };
            (method, at(&shared.api, &account::actions_path(&program.account_sid)))
        }
    }
}

/// A path at a server, whose own is empty or `/`.
pub(super) fn at(server: &Uri, path: &str) -> String {
    format!("{}{path}", server.to_string().trim_end_matches('/'))
}

/// The request with the program's credentials; `None` where it has none.
pub(super) fn authenticated(request: RequestBuilder, shared: &Config, program: &Program) -> Option<RequestBuilder> {
    let request = request.basic_auth(&program.account_sid, Some(program.api_key.as_ref()?.reveal()));
    Some(if shared.version.is_empty() { request } else { request.header("IR-Version", &shared.version) })
}

/// Reads an answer, bounded. Its status has decided by then: a body that breaks off only costs us words.
pub(super) async fn read(mut response: reqwest::Response, bytes_max: usize) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = bytes_max - body.len();
        body.extend(chunk.iter().take(room));
        if body.len() == bytes_max {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;
    use crate::destination::Rule;
    use crate::destination::impact::config::{EmailNormalization, Mode};
    use crate::secret::Secret;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;

    const NOW: Time = Time::from_seconds(1_795_521_600);

    #[tokio::test]
    async fn conversions_are_authenticated_forms() {
        let neighbour =
            Neighbour::answering("HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n{\"QueuedUri\":\"/A/B/C-1\"}").await;
        let params = [("OrderId", "a:b+c&d=e f"), ("ItemName1", "Größe 日本 %3A"), ("OrderTax", "1.10")];
        let outcome = neighbour.deliver(Endpoint::Conversions, &params).await;
        assert_eq!(outcome, Outcome::Accepted { receipt: Some("/A/B/C-1".into()) });
        let (head, body) = neighbour.request().await;
        assert_eq!(head.lines().next(), Some("POST /Advertisers/IRsid/Conversions HTTP/1.1"));
        let basic = "authorization: Basic SVJzaWQ6dG9rOmVu"; // IRsid:tok:en
        let form = "content-type: application/x-www-form-urlencoded";
        for line in [basic, "accept: application/json", "ir-version: 14", form] {
            assert!(head.lines().any(|l| l == line), "{line} is missing in {head}");
        }
        let expected = "OrderId=a%3Ab%2Bc%26d%3De+f&ItemName1=Gr%C3%B6%C3%9Fe+%E6%97%A5%E6%9C%AC+%253A&OrderTax=1.10";
        assert_eq!(body, expected);
    }

    #[tokio::test]
    async fn page_loads_are_not_authenticated() {
        let neighbour =
            Neighbour::answering("HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{\"clickId\":\"0c22\"}").await;
        let outcome = neighbour.deliver(Endpoint::PageLoad, &[("PageUrl", "https://www.example.com/?a=b")]).await;
        assert_eq!(outcome, Outcome::Accepted { receipt: Some("0c22".into()) });
        let (head, body) = neighbour.request().await;
        assert_eq!(head.lines().next(), Some("POST /PageLoad HTTP/1.1"));
        assert!(!head.contains("authorization") && !head.contains("ir-version"), "{head}");
        assert_eq!(body, "PageUrl=https%3A%2F%2Fwww.example.com%2F%3Fa%3Db");
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_costs_the_receipt_only() {
        let neighbour = Neighbour::answering("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"QueuedUri\":").await;
        let outcome = neighbour.deliver(Endpoint::Conversions, &[]).await;
        assert_eq!(outcome, Outcome::Accepted { receipt: None });
    }

    #[tokio::test]
    async fn an_empty_version_sends_no_header() {
        let mut neighbour = Neighbour::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        neighbour.shared.version.clear();
        neighbour.deliver(Endpoint::Conversions, &[]).await;
        let (head, _) = neighbour.request().await;
        assert!(!head.contains("ir-version"), "{head}");
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let answer = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
        let neighbour = Neighbour::answering(answer).await;
        let expected = Outcome::Retry { why: Trouble::ServerError, detail: "302".into(), after: None };
        assert_eq!(neighbour.deliver(Endpoint::Conversions, &[]).await, expected);
    }

    #[tokio::test]
    async fn a_refused_connection_sent_nothing() {
        let neighbour = Neighbour::answering("").await;
        let (shared, program) = (neighbour.shared.clone(), neighbour.program.clone());
        neighbour.stop().await;
        let outcome = client().deliver(&shared, &program, Endpoint::Conversions, &[]).await.outcome;
        assert!(matches!(&outcome, Outcome::Retry { why: Trouble::NotSent, .. }), "{outcome:?}");
        assert!(!format!("{outcome:?}").contains("IRsid"), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_connection_cut_after_the_request_may_have_sent_it() {
        for endpoint in [Endpoint::Conversions, Endpoint::PageLoad] {
            let neighbour = Neighbour::answering("").await;
            let outcome = neighbour.deliver(endpoint, &[("OrderId", "1")]).await;
            assert!(matches!(&outcome, Outcome::Retry { why: Trouble::MaybeSent, .. }), "{outcome:?}");
            assert_eq!(neighbour.request().await.1, "OrderId=1");
        }
    }

    #[tokio::test]
    async fn without_a_key_nothing_is_sent() {
        let mut neighbour = Neighbour::answering("").await;
        neighbour.program.api_key = None;
        let outcome = neighbour.deliver(Endpoint::Conversions, &[]).await;
        assert!(matches!(outcome, Outcome::Retry { why: Trouble::NotSent, .. }));
    }

    #[tokio::test]
    async fn a_huge_answer_is_read_no_further_than_its_limit() {
        let answer = format!("HTTP/1.1 400 Bad Request\r\n\r\n{}", "x".repeat(4 * ANSWER_BYTES_MAX));
        let neighbour = Neighbour::answering(&answer).await;
        let expected = Outcome::Refused { status: 400, detail: "x".repeat(300) };
        assert_eq!(neighbour.deliver(Endpoint::Conversions, &[]).await, expected);
    }

    fn client() -> Client {
        Client::new(Clock::manual(NOW)).unwrap()
    }

    /// A stand-in for impact.com that takes one request, sends what it was told, and hangs up.
    struct Neighbour {
        shared: Config,
        program: Program,
        task: JoinHandle<(String, String)>,
    }

    impl Neighbour {
        async fn answering(answer: &str) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let uri: Uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
            let answer = answer.to_owned();
            let task = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_request(&mut stream).await;
                // The client may hang up in the middle of an answer that is too long for it.
                stream.write_all(answer.as_bytes()).await.ok();
                request
            });
            Self { shared: shared(uri), program: program(), task }
        }

        async fn deliver(&self, endpoint: Endpoint, params: &[(&str, &str)]) -> Outcome {
            let params: Vec<(String, String)> = params.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
            client().deliver(&self.shared, &self.program, endpoint, &params).await.outcome
        }

        async fn request(self) -> (String, String) {
            self.task.await.unwrap()
        }

        async fn stop(self) {
            self.task.abort();
            assert!(self.task.await.unwrap_err().is_cancelled());
        }
    }

    async fn read_request(stream: &mut TcpStream) -> (String, String) {
        let mut bytes = Vec::new();
        loop {
            let mut chunk = [0; 4096];
            let read = stream.read(&mut chunk).await.unwrap();
            bytes.extend_from_slice(&chunk[..read]);
            let text = String::from_utf8(bytes.clone()).unwrap();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                    return (head.to_owned(), body.to_owned());
                }
            }
            assert_ne!(read, 0, "the request breaks off: {text}");
        }
    }

    fn shared(uri: Uri) -> Config {
        Config {
            api: uri.clone(),
            tracking: uri,
            version: "14".into(),
            email_normalization: EmailNormalization::default(),
            send_click_id_on_page_load: true,
            also_send_current_names: false,
            keep_click_id_of_page_load: false,
            programs: Vec::new(),
        }
    }

    fn program() -> Program {
        Program {
            name: "shop".into(),
            mode: Mode::default(),
            account_sid: "IRsid".into(),
            api_key: Some(Secret::new("tok:en")),
            campaign_id: "1000".into(),
            enable_page_events: false,
            enable_screen_events: false,
            enable_identify_events: false,
            ios_app_id: None,
            android_app_id: None,
            event_type_id: None,
            event_type_ids: Vec::new(),
            action_event_names: Vec::new(),
            install_event_names: Vec::new(),
            page_load_event_names: Vec::new(),
            refund_event_names: Vec::new(),
            cancel_event_names: Vec::new(),
            update_event_names: Vec::new(),
            custom_parameter_mapping: Vec::new(),
            custom_mapping_for_products: Vec::new(),
            sources: None,
            rule: Rule::default(),
        }
    }
}

//! A stand-in for impact.com: Conversions, Actions and APISubmissions of the brand API, and the tracking host's PageLoad.

mod actions;
mod check;
mod page;

use super::door::{Cut, Door};
use super::script::{Script, json};
use super::seen::{self, Log, Seen};
use crate::clock::Time;
use actions::{Books, Kind};
use axum::Router;
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use check::{Fault, Form};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The account that is there from the start.
pub const ACCOUNT_SID: &str = "IRdemo0000000000000001";

/// Its Auth Token.
pub const AUTH_TOKEN: &str = "demo-auth-token";

/// What is read of a form; an order of several hundred items stays far below it.
const FORM_BYTES_MAX: usize = 4 * 1024 * 1024;

/// impact.com, on a loopback port: it is both `api.impact.com` and `trkapi.impact.com`. Dropping it stops it.
#[derive(Debug)]
pub struct Impact {
    state: Arc<Shared>,
    door: Door,
}

#[derive(Debug)]
struct Shared {
    conversions: Inbox,
    page_loads: Inbox,
    submissions: Inbox,
    actions: Inbox,
    accounts: Mutex<Vec<(String, String)>>,
    capitals: AtomicBool,
    books: Mutex<Books>,
}

/// One endpoint: what it was sent, and what it is to answer.
#[derive(Debug)]
struct Inbox {
    log: Log,
    script: Script,
}

impl Impact {
    /// Starts on a free port, with the account [`ACCOUNT_SID`].
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub async fn start() -> io::Result<Self> {
        Self::start_at(0).await
    }

    /// Starts on `port`, so that one that went away can come back.
    ///
    /// # Errors
    ///
    /// When the port cannot be bound.
    pub async fn start_at(port: u16) -> io::Result<Self> {
        let state = Arc::new(Shared {
            conversions: Inbox::new(),
            page_loads: Inbox::new(),
            submissions: Inbox::new(),
            actions: Inbox::new(),
            accounts: Mutex::new(vec![(ACCOUNT_SID.to_owned(), AUTH_TOKEN.to_owned())]),
            capitals: AtomicBool::new(false),
            books: Mutex::default(),
        });
        let router = Router::new()
            .route("/Advertisers/{sid}/Conversions", post(take_conversion))
            .route("/Advertisers/{sid}/APISubmissions/{id}", get(show_submission))
            .route("/Advertisers/{sid}/Actions", get(list_actions).put(change_action).delete(change_action))
            .route("/PageLoad", post(take_page_load))
            .with_state(state.clone());
        Ok(Self { state, door: Door::open(port, router).await? })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// Its base URL, for `api` and for `tracking`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Opens one more account.
    pub fn open_account(&self, sid: &str, token: &str) {
        self.state.accounts.lock().unwrap_or_else(PoisonError::into_inner).push((sid.to_owned(), token.to_owned()));
    }

    /// Whether its errors are spelt `Errors`, `Field`, `Message`, as the platform's error page has it, instead of
    /// `errors`, `field`, `message`, as the Conversions page has it (the default).
    pub fn spell_in_capitals(&self, capitals: bool) {
        self.state.capitals.store(capitals, Ordering::Relaxed);
    }

    /// What Conversions answers instead of the usual.
    pub fn conversions_script(&self) -> &Script {
        &self.state.conversions.script
    }

    /// What PageLoad answers instead of the usual.
    pub fn page_loads_script(&self) -> &Script {
        &self.state.page_loads.script
    }

    /// What APISubmissions answers instead of the usual.
    pub fn submissions_script(&self) -> &Script {
        &self.state.submissions.script
    }

    /// What changes and reversals of actions are answered instead of the usual.
    pub fn actions_script(&self) -> &Script {
        &self.state.actions.script
    }

    /// From now on a submission is complete only when it is asked for more often than this.
    pub fn complete_after(&self, questions: u32) {
        self.state.books().questions = questions;
    }

    /// From now on conversions of this order are refused, for this documented reason.
    pub fn refuse_order(&self, order: &str, reason: &str) {
        self.state.books().refused.push((order.to_owned(), reason.to_owned()));
    }

    /// From now on a page of the list of actions has no more than so many.
    pub fn page_actions(&self, actions: usize) {
        self.state.books().page_actions = actions;
    }

    /// Every question for a submission so far.
    pub fn questions(&self) -> Vec<Seen> {
        self.state.submissions.log.all()
    }

    /// Every change and reversal of an action so far, refused ones too, in order of arrival.
    pub fn changes(&self) -> Vec<Seen> {
        self.state.actions.log.all()
    }

    /// The changes and reversals of actions, as soon as there are `count`; after 20 s whatever there is.
    pub async fn wait_for_changes(&self, count: usize) -> Vec<Seen> {
        self.state.actions.log.wait_for(count).await
    }

    /// The actions of a program of [`ACCOUNT_SID`], the oldest first.
    pub fn actions(&self, campaign: &str) -> Vec<Value> {
        self.state.books().list(ACCOUNT_SID, campaign, None, None)
    }

    /// Every request to Conversions so far, refused ones too, in order of arrival.
    pub fn conversions(&self) -> Vec<Seen> {
        self.state.conversions.log.all()
    }

    /// Every request to PageLoad so far, refused ones too, in order of arrival.
    pub fn page_loads(&self) -> Vec<Seen> {
        self.state.page_loads.log.all()
    }

    /// The requests to Conversions, as soon as there are `count`; after 20 s whatever there is.
    pub async fn wait_for_conversions(&self, count: usize) -> Vec<Seen> {
        self.state.conversions.log.wait_for(count).await
    }

    /// The requests to PageLoad, as soon as there are `count`; after 20 s whatever there is.
    pub async fn wait_for_page_loads(&self, count: usize) -> Vec<Seen> {
        self.state.page_loads.log.wait_for(count).await
    }

    /// Forgets what it was sent.
    pub fn forget(&self) {
        self.state.conversions.log.clear();
        self.state.page_loads.log.clear();
        self.state.submissions.log.clear();
        self.state.actions.log.clear();
    }
}

impl Inbox {
    fn new() -> Self {
        Self { log: Log::new(), script: Script::default() }
    }
}

async fn take_conversion(
    State(state): State<Arc<Shared>>,
    Path(sid): Path<String>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    let Some((parts, form)) = remember(&state.conversions, request).await else {
        return unread(&state);
    };
    if let Some(answer) = state.conversions.script.take() {
        return answer.perform(&cut).await;
    }
    if !state.knows(&sid, &parts) {
        return unauthorized();
    }
    let Some(form) = form else { return state.refuse(&[Fault::NOT_A_FORM]) };
    let faults = check::conversion(&form);
    if faults.is_empty() { state.queue(&sid, Kind::Conversion, form) } else { state.refuse(&faults) }
}

async fn change_action(
    State(state): State<Arc<Shared>>,
    Path(sid): Path<String>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    let kind = if request.method() == Method::DELETE { Kind::Reversal } else { Kind::Modification };
    let Some((parts, form)) = remember(&state.actions, request).await else {
        return unread(&state);
    };
    if let Some(answer) = state.actions.script.take() {
        return answer.perform(&cut).await;
    }
    if !state.knows(&sid, &parts) {
        return unauthorized();
    }
    let Some(form) = form else { return state.refuse(&[Fault::NOT_A_FORM]) };
    let faults: Vec<Fault> =
        actions::faults(kind, &form).into_iter().map(|(field, message)| Fault::new(field, message)).collect();
    if faults.is_empty() { state.queue(&sid, kind, form) } else { state.refuse(&faults) }
}

async fn list_actions(
    State(state): State<Arc<Shared>>,
    Path(sid): Path<String>,
    Query(mut query): Query<HashMap<String, String>>,
    request: Request,
) -> Response {
    let parts = request.into_parts().0;
    if !state.knows(&sid, &parts) {
        return unauthorized();
    }
    let Some(campaign) = query.get("CampaignId") else {
        return state.refuse(&[Fault::new("CampaignId", "CampaignId is required")]);
    };
    let at = |name: &str| query.get(name).and_then(|text| Time::parse(text));
    let books = state.books();
    let found = books.list(&sid, campaign, at("ActionDateStart"), at("ActionDateEnd"));
    json(200, &page::of("Actions", &found, parts.uri.path(), &mut query, books.page_actions))
}

async fn show_submission(
    State(state): State<Arc<Shared>>,
    Path((sid, id)): Path<(String, String)>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    let Some((parts, _)) = remember(&state.submissions, request).await else {
        return unread(&state);
    };
    if let Some(answer) = state.submissions.script.take() {
        return answer.perform(&cut).await;
    }
    if !state.knows(&sid, &parts) {
        return unauthorized();
    }
    match state.books().show(&sid, &id) {
        Some(submission) => json(200, &submission),
        None => json(404, &json!({"Status": "ERROR", "Message": "Not Found"})),
    }
}

fn unauthorized() -> Response {
    json(401, &json!({"Status": "ERROR", "Message": "Unauthorized"}))
}

async fn take_page_load(
    State(state): State<Arc<Shared>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    let Some((_, form)) = remember(&state.page_loads, request).await else {
        return unread(&state);
    };
    if let Some(answer) = state.page_loads.script.take() {
        return answer.perform(&cut).await;
    }
    let Some(form) = form else {
        return state.refuse(&[Fault::NOT_A_FORM]);
    };
    let faults = check::page_load(&form);
    if !faults.is_empty() {
        return state.refuse(&faults);
    }
    let click = form.get("ClickId").unwrap_or("0c22384eN-3765c5f900c2878068a0631b");
    let started = form.get("EventDate").unwrap_or_default();
    json(200, &json!({"clickId": click, "sessionStart": started, "warnings": []}))
}

/// Reads a request and remembers it; `None` when its body is too large or broke off.
async fn remember(endpoint: &Inbox, request: Request) -> Option<(Parts, Option<Form>)> {
    let (parts, body) = seen::read(request, FORM_BYTES_MAX).await?;
    let form = Form::read(&parts, &body);
    let fields = form.as_ref().map(Form::to_json);
    endpoint.log.push(Seen::new(&parts, body, fields));
    Some((parts, form))
}

fn unread(state: &Shared) -> Response {
    state.refuse(&[Fault::NOT_A_FORM])
}

impl Shared {
    /// Whether the request's Basic credentials are those of `sid`.
    fn knows(&self, sid: &str, parts: &Parts) -> bool {
        let sent = parts.headers.get("authorization").map(|value| value.as_bytes());
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let token = accounts.iter().find(|(known, _)| known == sid).map(|(_, token)| token);
        token.is_some_and(|token| {
            let expected = format!("Basic {}", STANDARD.encode(format!("{sid}:{token}")));
            sent == Some(expected.as_bytes())
        })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// 200: queued, and where to ask for it.
    fn queue(&self, sid: &str, kind: Kind, form: Form) -> Response {
        let id = self.books().queue(sid, kind, form);
        json(200, &json!({"Status": "QUEUED", "QueuedUri": format!("/Advertisers/{sid}/APISubmissions/{id}")}))
    }

    /// 400, with each fault named, in the spelling that was chosen.
    fn refuse(&self, faults: &[Fault]) -> Response {
        let capitals = self.capitals.load(Ordering::Relaxed);
        let list: Vec<Value> = faults.iter().map(|fault| fault.to_json(capitals)).collect();
        let body = if capitals {
            json!({"Status": "ERROR", "Message": "Validation Failed", "Errors": list})
        } else {
            json!({"Status": "ERROR", "errors": list})
        };
        json(400, &body)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Answer;
    use super::super::exchange::{Answered, send};
    use super::*;

    const ORDER: &str = "CampaignId=1000&EventDate=2026-11-24T03:56:35.120Z&OrderId=o-1&EventTypeCode=Order+Completed\
                         &ClickId=2uz3sQ:Ab&CurrencyCode=EUR&OrderSubTotalPostDiscount=12.50&ItemPrice1=1.10";
    const VIEW: &str = "CampaignId=1000&EventDate=NOW&PageUrl=https%3A%2F%2Fshop.example%2F&CustomProfileId=anon-1";

    async fn convert(impact: &Impact, authorization: &str, kind: &str, form: &str) -> Answered {
        let url = format!("{}/Advertisers/{ACCOUNT_SID}/Conversions", impact.url()).parse().unwrap();
        let headers = [("authorization", authorization), ("content-type", kind)];
        send("POST", &url, &headers, form.as_bytes()).await.unwrap()
    }

    fn basic(sid: &str, token: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{sid}:{token}")))
    }

    const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

    #[tokio::test]
    async fn a_good_conversion_is_queued() {
        let impact = Impact::start().await.unwrap();
        let answer = convert(&impact, &basic(ACCOUNT_SID, AUTH_TOKEN), FORM, ORDER).await;
        assert_eq!(answer.status, 200);
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["Status"], "QUEUED");
        let uri = body["QueuedUri"].as_str().unwrap();
        let submissions = format!("/Advertisers/{ACCOUNT_SID}/APISubmissions/A-");
        assert!(uri.strip_prefix(&submissions).is_some_and(|id| uuid::Uuid::parse_str(id).is_ok()), "{uri}");
        let seen = impact.wait_for_conversions(1).await;
        assert_eq!(seen[0].field("EventTypeCode"), Some("Order Completed"));
        assert_eq!(seen[0].field("ClickId"), Some("2uz3sQ:Ab"));
    }

    #[tokio::test]
    async fn only_the_accounts_own_credentials_are_taken() {
        let impact = Impact::start().await.unwrap();
        impact.open_account("IRother", "t2");
        let cases = [
            (basic(ACCOUNT_SID, AUTH_TOKEN), 200),
            (basic(ACCOUNT_SID, "wrong"), 401),
            (basic("IRother", "t2"), 401),
            ("Bearer demo-auth-token".to_owned(), 401),
            (String::new(), 401),
        ];
        for (authorization, status) in cases {
            assert_eq!(convert(&impact, &authorization, FORM, ORDER).await.status, status, "{authorization}");
        }
        let url = format!("{}/Advertisers/IRother/Conversions", impact.url()).parse().unwrap();
        let headers = [("authorization", &*basic("IRother", "t2")), ("content-type", FORM)];
        assert_eq!(send("POST", &url, &headers, ORDER.as_bytes()).await.unwrap().status, 200);
    }

    #[tokio::test]
    async fn faults_are_named_in_either_spelling() {
        let impact = Impact::start().await.unwrap();
        let incomplete = ORDER.replace("OrderId=o-1&", "");
        let answer = convert(&impact, &basic(ACCOUNT_SID, AUTH_TOKEN), FORM, &incomplete).await;
        assert_eq!(answer.status, 400);
        let fault = json!({"field": "OrderId", "level": "ERROR", "message": "OrderId is required"});
        assert_eq!(
            serde_json::from_slice::<Value>(&answer.body).unwrap(),
            json!({"Status": "ERROR", "errors": [fault]})
        );
        impact.spell_in_capitals(true);
        let answer = convert(&impact, &basic(ACCOUNT_SID, AUTH_TOKEN), "application/json", ORDER).await;
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, body["Errors"][0]["Field"].as_str()), (400, Some("")));
    }

    #[tokio::test]
    async fn page_loads_need_no_account_and_answer_with_a_click() {
        let impact = Impact::start().await.unwrap();
        let url = format!("{}/PageLoad", impact.url()).parse().unwrap();
        let answer = send("POST", &url, &[("content-type", FORM)], VIEW.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(serde_json::from_slice::<Value>(&answer.body).unwrap()["clickId"].is_string());
        let answer = send("POST", &url, &[("content-type", FORM)], b"CampaignId=1000").await.unwrap();
        assert_eq!(answer.status, 400);
        assert_eq!((impact.page_loads().len(), impact.conversions().len()), (2, 0));
    }

    #[tokio::test]
    async fn each_endpoint_has_a_script_of_its_own() {
        let impact = Impact::start().await.unwrap();
        impact.conversions_script().next(Answer::status(429).header("X-RateLimit-Reset", "2")).next(Answer::Close);
        let key = basic(ACCOUNT_SID, AUTH_TOKEN);
        let url = format!("{}/PageLoad", impact.url()).parse().unwrap();
        assert_eq!(send("POST", &url, &[("content-type", FORM)], VIEW.as_bytes()).await.unwrap().status, 200);
        assert_eq!(convert(&impact, &key, FORM, ORDER).await.status, 429);
        let url = format!("{}/Advertisers/{ACCOUNT_SID}/Conversions", impact.url()).parse().unwrap();
        assert!(send("POST", &url, &[("content-type", FORM)], ORDER.as_bytes()).await.is_err());
        assert_eq!(convert(&impact, &key, FORM, ORDER).await.status, 200);
        assert_eq!(impact.conversions().len(), 3, "a request is remembered before it is answered");
    }
}

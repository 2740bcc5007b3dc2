//! impact.com's account API: Basic authentication, pages with `@nextpageuri`, ids as strings, errors as its error page has them.

use crate::api::{Answer, Api, Ask, page};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

pub(crate) const SID: &str = "IRacme1";
pub(crate) const TOKEN: &str = "impact-auth-token";

/// Elements of a page, however many are asked for.
const PAGE: usize = 2;

pub(crate) struct Account {
    pub(crate) api: Api,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    programs: Vec<Value>,
    contracts: Vec<Value>,
    is_limited: bool,
}

impl Account {
    /// An account with the program 1000, and one that is not active.
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let api = Api::start(move |ask| shared.lock().unwrap().answer(ask)).await;
        let account = Self { api, state };
        account.program("1000", "Acme US", "ACTIVE", "im_ref={clickid}&utm_source=impact");
        account.program("1900", "Old", "CLOSED", "clickid={clickid}");
        account.contract(&[("7", "Order Completed"), ("8", "Lead")]);
        account
    }

    pub(crate) fn url(&self) -> String {
        self.api.url()
    }

    pub(crate) fn program(&self, id: &str, name: &str, state: &str, template: &str) {
        let tracking = json!({"CampaignTrackingTemplate": template, "MediaPartnerTrackingTemplate": "", "UniqueClickWindowLength": "30m"});
        self.state.lock().unwrap().programs.push(json!({
            "Id": id, "Name": name, "State": state, "Type": "Performance", "TrackingDomain": "acme.sjv.io",
            "SiteDefinition": "acme.example, *.acme-shop.example", "GatewayTrackingSettings": tracking,
            "Uri": format!("/Advertisers/{SID}/Campaigns/{id}"),
        }));
    }

    pub(crate) fn contract(&self, event_types: &[(&str, &str)]) {
        let payouts: Vec<Value> = event_types
            .iter()
            .map(|(id, name)| json!({"EventTypeId": id, "EventTypeName": name, "EventCategory": "SALE"}))
            .collect();
        self.state.lock().unwrap().contracts.push(json!({"Id": "c", "TemplateTerms": {"EventPayouts": payouts}}));
    }

    /// The token is of the scope Conversions from now on.
    pub(crate) fn limit(&self) {
        self.state.lock().unwrap().is_limited = true;
    }
}

impl State {
    fn answer(&self, ask: &Ask) -> Answer {
        let error = |status, message: &str| (status, json!({"Status": "ERROR", "Message": message}));
        if ask.authorization != format!("Basic {}", STANDARD.encode(format!("{SID}:{TOKEN}"))) {
            return error(401, "Unauthorized");
        }
        if self.is_limited {
            return error(403, "Forbidden");
        }
        assert!(ask.head.contains("ir-version: 14") && ask.head.contains("accept: application/json"), "{}", ask.head);
        match ask.path.split('/').collect::<Vec<_>>()[..] {
            ["", "Advertisers", SID, "CompanyInformation"] => (200, json!({"CompanyName": "Acme", "Currency": "USD"})),
            ["", "Advertisers", SID, "Campaigns"] => {
                let state = ask.parameter("State").unwrap();
                let active: Vec<Value> = self.programs.iter().filter(|one| one["State"] == state).cloned().collect();
                list("Campaigns", &active, ask)
            }
            ["", "Advertisers", SID, "Campaigns", id] => match self.programs.iter().find(|one| one["Id"] == id) {
                Some(program) => (200, program.clone()),
                None => error(404, "Not Found"),
            },
            ["", "Advertisers", SID, "Campaigns", _, "Contracts"] => list("Contracts", &self.contracts, ask),
            _ => error(404, "Not Found"),
        }
    }
}

/// One page; everything about it is a string.
fn list(name: &str, all: &[Value], ask: &Ask) -> Answer {
    let number: usize = ask.parameter("Page").unwrap().parse().unwrap();
    let pages = all.len().div_ceil(PAGE).max(1);
    let uri = |page: usize| {
        let other = ask.parameter("State").map(|state| format!("State={state}&")).unwrap_or_default();
        format!("{}?{other}PageSize=1000&Page={page}", ask.path)
    };
    let next = if number < pages { uri(number + 1) } else { String::new() };
    (
        200,
        json!({
            "@page": number.to_string(), "@numpages": pages.to_string(), "@pagesize": PAGE.to_string(),
            "@total": all.len().to_string(), "@uri": uri(number), "@firstpageuri": uri(1), "@nextpageuri": next,
            name: page(all, (number - 1) * PAGE, PAGE),
        }),
    )
}

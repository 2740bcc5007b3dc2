//! Asking impact.com what became of a submission.

use super::super::{Inquiry, Quota, Said, Trouble};
use super::client::{Client, at, authenticated, read};
use super::config::{Config, Program};
use super::{account, answer, verdict};

/// What is read of a submission: it repeats what was sent.
const SUBMISSION_BYTES_MAX: usize = 256 * 1024;
/// What is read of a page of actions: each is a kilobyte and a half.
const ACTIONS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The pages of actions that are looked through for one: two seconds of the largest shop.
const ACTIONS_PAGES_MAX: u32 = 4;

impl Client {
    /// Asks what became of the submission that `receipt` names, and, where it was accepted, for the action that came of
    /// `params`.
    pub async fn ask(&self, shared: &Config, program: &Program, receipt: &str, params: &[(String, String)]) -> Inquiry {
        let Some(id) = verdict::batch_id(receipt) else {
            return Inquiry { said: Said::Never("no_submission"), quota: None, requests: 0 };
        };
        let path = account::submission_path(&program.account_sid, id);
        let Some(answer) = self.get(shared, program, &path, SUBMISSION_BYTES_MAX).await else {
            let said = Said::Retry { why: Trouble::MaybeSent, after: None };
            return Inquiry { said, quota: None, requests: 1 };
        };
        let now = self.clock.now();
        let (said, quota) = (verdict::said(&answer, now), answer::quota(&answer, now));
        match said {
            Said::Accepted { action_id: None } => self.find(shared, program, params, quota).await,
            said => Inquiry { said, quota, requests: 1 },
        }
    }

    /// A submission does not name its action, so its page of a list does. One that is not found leaves the verdict without.
    async fn find(
        &self,
        shared: &Config,
        program: &Program,
        params: &[(String, String)],
        mut quota: Option<Quota>,
    ) -> Inquiry {
        let mut requests = 1;
        let mut page = verdict::actions_path(&program.account_sid, &program.campaign_id, params);
        while let Some(path) = page.filter(|_| requests <= ACTIONS_PAGES_MAX) {
            requests += 1;
            let Some(answer) = self.get(shared, program, &path, ACTIONS_BYTES_MAX).await else { break };
            quota = answer::quota(&answer, self.clock.now()).or(quota);
            let Some(actions) = verdict::actions(&answer) else { break };
            if let Some(id) = verdict::find_action(&actions, params) {
                return Inquiry { said: Said::Accepted { action_id: Some(id) }, quota, requests };
            }
            page = account::next(&actions);
        }
        Inquiry { said: Said::Accepted { action_id: None }, quota, requests }
    }

    async fn get(&self, shared: &Config, program: &Program, path: &str, bytes_max: usize) -> Option<answer::Answer> {
        let request = self.http.get(at(&shared.api, path)).header("Accept", "application/json");
        let request = authenticated(request, shared, program)?;
        Some(read(request.send().await.ok()?, bytes_max).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Time};
    use crate::config::{self, Config as File};
    use crate::secret::Secrets;
    use serde_json::{Value, json};
    use std::path::Path;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const NOW: Time = Time::from_seconds(1_795_521_600);
    const RECEIPT: &str = "/Advertisers/IRsid/APISubmissions/A-1";

    #[tokio::test]
    async fn an_action_is_looked_for_page_by_page_and_no_further_than_there_is_reason_to() {
        let complete = json!({"Status": "Complete"});
        let page = |order: &str, next: &str| {
            let action = json!({"Id": format!("1000.1.{order}"), "Oid": order});
            json!({"@nextpageuri": next, "Actions": [action]})
        };
        let elsewhere = page("o2", "https://elsewhere.example/Advertisers/IRsid/Actions?Page=2");
        let endless = vec![page("o2", "/Advertisers/IRsid/Actions?Page=2"); 9];
        for (pages, action, requests) in [
            (vec![page("o1", "")], Some("1000.1.o1"), 2),
            (vec![elsewhere, page("o1", "/more")], Some("1000.1.o1"), 3),
            (vec![page("o2", "")], None, 2),
            (vec![json!({"Message": "no list"})], None, 2),
            (vec![], None, 2),
            (endless, None, 1 + ACTIONS_PAGES_MAX),
        ] {
            let answers = std::iter::once(complete.clone()).chain(pages.iter().cloned()).map(|answer| (200, answer));
            let impact = Neighbour::answering(answers.collect()).await;
            let inquiry = impact.ask(RECEIPT, &[("OrderId", "o1"), ("EventDate", "2026-11-24T03:56:35Z")]).await;
            let said = Said::Accepted { action_id: action.map(str::to_owned) };
            assert_eq!((&inquiry.said, inquiry.requests), (&said, requests), "{pages:?}");
            let asked = impact.asked.lock().unwrap().clone();
            assert_eq!(asked.first().map(String::as_str), Some("GET /Advertisers/IRsid/APISubmissions/A-1 HTTP/1.1"));
            if requests > 2 {
                assert_eq!(asked.get(2).map(String::as_str), Some("GET /Advertisers/IRsid/Actions?Page=2 HTTP/1.1"));
            }
        }
    }

    #[tokio::test]
    async fn what_answers_say_of_the_account_is_kept_and_nobody_is_asked_in_vain() {
        let refused = json!({"Status": "Complete", "ErrorReason": "CONV_DUPLICATE"});
        let impact = Neighbour::answering(vec![(200, refused)]).await;
        let inquiry = impact.ask(RECEIPT, &[]).await;
        assert_eq!((inquiry.said, inquiry.requests), (Said::Refused { reason: "CONV_DUPLICATE".into() }, 1));
        let quota = Quota { limit: Some(1000), remaining: 9, resets_in: Duration::from_secs(60) };
        assert_eq!(inquiry.quota, Some(quota));
        // A form without a date cannot be looked for.
        let impact = Neighbour::answering(vec![(200, json!({"Status": "Complete"}))]).await;
        let inquiry = impact.ask(RECEIPT, &[("OrderId", "o1")]).await;
        assert_eq!(
            (inquiry.said, inquiry.requests, inquiry.quota),
            (Said::Accepted { action_id: None }, 1, Some(quota))
        );

        let impact = Neighbour::answering(vec![]).await;
        let inquiry = impact.ask("/elsewhere", &[]).await;
        assert_eq!((inquiry.said, inquiry.requests), (Said::Never("no_submission"), 0));
        let inquiry = impact.ask(RECEIPT, &[]).await;
        let said = Said::Retry { why: Trouble::MaybeSent, after: None };
        assert_eq!((inquiry.said, inquiry.requests), (said, 1));
    }

    /// A stand-in for impact.com that gives these answers, one after the other, hangs up after each, and is gone then.
    struct Neighbour {
        file: File,
        /// The first lines of what it was asked.
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl Neighbour {
        async fn answering(answers: Vec<(u16, Value)>) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let file = file(&format!("http://{}", listener.local_addr().unwrap()));
            let asked = Arc::new(Mutex::new(Vec::new()));
            let heard = asked.clone();
            tokio::spawn(async move {
                for (status, body) in answers {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.unwrap());
                    }
                    heard.lock().unwrap().push(String::from_utf8(head).unwrap().lines().next().unwrap().to_owned());
                    let (body, limit) = (body.to_string(), "X-RateLimit-Limit: 1000\r\nX-RateLimit-Remaining: 9");
                    let fields = format!("{limit}\r\nX-RateLimit-Reset: 60\r\nContent-Length: {}", body.len());
                    let answer = format!("HTTP/1.1 {status} x\r\nConnection: close\r\n{fields}\r\n\r\n{body}");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
            Self { file, asked }
        }

        async fn ask(&self, receipt: &str, params: &[(&str, &str)]) -> Inquiry {
            let params: Vec<(String, String)> = params.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
            let (impact, client) = (&self.file.impact, Client::new(Clock::manual(NOW)).unwrap());
            client.ask(impact, &impact.programs[0], receipt, &params).await
        }
    }

    fn file(api: &str) -> File {
        let text = format!(
            "[listen]\nhttp = \"127.0.0.1:0\"\n[[site]]\norigin = \"http://127.0.0.1:3000\"\n[impact]\napi = \"{api}\"\n\
             [[impact.program]]\nname = \"shop\"\naccount_sid = \"IRsid\"\napi_key = \"token\"\ncampaign_id = 1000\n"
        );
        config::parse(&text, "selvedge.toml", Path::new(""), Secrets::Optional).unwrap().config
    }
}

//! Asking impact.com what became of a submission.

use super::super::{Inquiry, Said, Trouble};
use super::answer;
use super::client::{Client, RESERVED, account_url, read};
use super::config::{Config, Program};
use super::verdict;
use percent_encoding::utf8_percent_encode;

/// What is read of a submission: it repeats what was sent.
const SUBMISSION_BYTES_MAX: usize = 256 * 1024;
/// What is read of a list of actions: a second's of a large shop.
const ACTIONS_BYTES_MAX: usize = 1024 * 1024;

impl Client {
    /// Asks what became of the submission that `receipt` names, and, where it was accepted, for the action that came of
    /// `params`.
    pub async fn ask(&self, shared: &Config, program: &Program, receipt: &str, params: &[(String, String)]) -> Inquiry {
        let Some(id) = verdict::batch_id(receipt) else {
            return Inquiry { said: Said::Never("no_submission"), quota: None, requests: 0 };
        };
        let id = utf8_percent_encode(id, RESERVED);
        let url = account_url(shared, program, &format!("APISubmissions/{id}"));
        let Some(answer) = self.get(shared, program, &url, SUBMISSION_BYTES_MAX).await else {
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

    /// A submission does not name its action. One that is not found leaves the verdict without.
    async fn find(
        &self,
        shared: &Config,
        program: &Program,
        params: &[(String, String)],
        quota: Option<super::super::Quota>,
    ) -> Inquiry {
        let Some(query) = verdict::action_query(&program.campaign_id, params) else {
            return Inquiry { said: Said::Accepted { action_id: None }, quota, requests: 1 };
        };
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let url = format!("{}?{query}", account_url(shared, program, "Actions"));
        let answer = self.get(shared, program, &url, ACTIONS_BYTES_MAX).await;
        let found = answer.as_ref().filter(|answer| (200..300).contains(&answer.status));
        let action_id = found.and_then(|answer| verdict::find_action(&answer.body, params));
        let quota = answer.and_then(|answer| answer::quota(&answer, self.clock.now())).or(quota);
        Inquiry { said: Said::Accepted { action_id }, quota, requests: 2 }
    }

    async fn get(&self, shared: &Config, program: &Program, url: &str, bytes_max: usize) -> Option<answer::Answer> {
        let request = self.http.get(url).header("Accept", "application/json");
        let request = super::client::authenticated(request, shared, program)?;
        Some(read(request.send().await.ok()?, bytes_max).await)
    }
}

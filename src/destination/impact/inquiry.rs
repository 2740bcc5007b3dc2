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

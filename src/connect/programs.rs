//! An account of impact.com's, as its API shows it.

use super::ask::{Api, Credentials, Trouble};
use crate::destination::impact::account::{self, Campaign, EventType};
use crate::secret::Secret;

/// How to talk to an account.
#[derive(Clone, Debug)]
pub struct Account {
    /// The Account SID.
    pub sid: String,
    api: Api,
}

impl Account {
    /// Prepares it; nothing is asked yet. `version` is the `IR-Version` field; empty: none.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(base: &str, version: &str, sid: &str, token: &Secret) -> Result<Self, Trouble> {
        let mut headers = vec![("Accept", "application/json".to_owned())];
        if !version.is_empty() {
            headers.push(("IR-Version", version.to_owned()));
        }
        let api = Api::new(base, Credentials::Basic(sid.to_owned(), token.clone()), headers)?;
        Ok(Self { sid: sid.to_owned(), api })
    }

    /// Whether the account and its token belong together.
    ///
    /// # Errors
    /// [`Trouble`], told by [`sentence`].
    pub async fn company(&self) -> Result<(), Trouble> {
        self.api.get(&account::company_path(&self.sid)).await.map(|_| ())
    }

    /// The active programs.
    ///
    /// # Errors
    /// [`Trouble`], told by [`sentence`].
    pub async fn programs(&self) -> Result<Vec<Campaign>, Trouble> {
        self.api.list(account::campaigns_path(&self.sid), account::campaigns, account::next).await
    }

    /// One program.
    ///
    /// # Errors
    /// [`Trouble`], told by [`sentence`].
    pub async fn program(&self, campaign: &str) -> Result<Campaign, Trouble> {
        let answer = self.api.get(&account::campaign_path(&self.sid, campaign)).await?;
        account::campaign(&answer).ok_or(Trouble::Strange)
    }

    /// The event types that a program's contracts pay for.
    ///
    /// # Errors
    /// [`Trouble`], told by [`sentence`].
    pub async fn event_types(&self, campaign: &str) -> Result<Vec<EventType>, Trouble> {
        let read = |answer: &_| Some(account::event_types(answer));
        let mut all = self.api.list(account::contracts_path(&self.sid, campaign), read, account::next).await?;
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all.dedup();
        Ok(all)
    }
}

/// What happened when `what` was asked for, and what to do, in one sentence.
pub fn sentence(trouble: &Trouble, what: &str) -> String {
    match trouble.status() {
        Some(401) => "impact.com does not know this Account SID with this token (401): copy both anew from [User \
                      profile] → Settings → Technical → API"
            .to_owned(),
        Some(403) => format!(
            "impact.com knows this token, but does not let it read {what} (403): it is limited to other scopes, such as \
             Conversions, which is enough to deliver"
        ),
        _ => trouble.sentence("impact.com"),
    }
}

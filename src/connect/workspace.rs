//! A workspace of Segment's, as its Public API shows it.

use super::ask::{Api, Credentials, Trouble};
use crate::destination::impact::{INTEGRATION, account};
use crate::secret::Secret;
use crate::segment::public_api::{self, Destination, Filter, Region, Source, Workspace};

/// How to talk to a workspace.
#[derive(Debug)]
pub struct Segment {
    /// The workspace of the token.
    pub workspace: Workspace,
    /// Where it lives.
    pub region: Region,
    api: Api,
}

/// What could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    what: &'static str,
    trouble: Trouble,
}

impl Segment {
    /// Finds the token's workspace, in the first of these places where the token is known: each region has its own tokens.
    ///
    /// # Errors
    /// [`Unread`], whose [`Unread::sentence`] says what to do.
    pub async fn open(token: &Secret, places: &[(Region, String)]) -> Result<Self, Unread> {
        let mut first = None;
        for (region, base) in places {
            match Self::at(token, *region, base).await {
                Err(unknown) if matches!(unknown.trouble.status(), Some(401 | 403)) => first = first.or(Some(unknown)),
                // An unknown token is what there is to say, unless another place knows it.
                Err(other) => return Err(first.unwrap_or(other)),
                Ok(opened) => return Ok(opened),
            }
        }
        Err(first.unwrap_or(Unread { what: "its workspace", trouble: Trouble::Strange }))
    }

    async fn at(token: &Secret, region: Region, base: &str) -> Result<Self, Unread> {
        let unread = |trouble| Unread { what: "its workspace", trouble };
        let accept = vec![("Accept", public_api::MEDIA_TYPE.to_owned())];
        let api = Api::new(base, Credentials::Bearer(token.clone()), accept).map_err(unread)?;
        let answer = api.get(public_api::WORKSPACE).await.map_err(unread)?;
        let workspace = public_api::workspace(&answer).ok_or(Trouble::Strange).map_err(unread)?;
        Ok(Self { workspace, region, api })
    }

    /// All sources.
    ///
    /// # Errors
    /// [`Unread`].
    pub async fn sources(&self) -> Result<Vec<Source>, Unread> {
        self.list("the sources", public_api::SOURCES, public_api::sources).await
    }

    /// The destinations that deliver to impact.com.
    ///
    /// # Errors
    /// [`Unread`].
    pub async fn impact_destinations(&self) -> Result<Vec<Destination>, Unread> {
        let mut all = self.list("the destinations", public_api::DESTINATIONS, public_api::destinations).await?;
        all.retain(|one| one.metadata.id == account::CATALOG_ID || one.metadata.name == INTEGRATION);
        Ok(all)
    }

    /// The filters of a destination.
    ///
    /// # Errors
    /// [`Unread`].
    pub async fn filters(&self, destination: &Destination) -> Result<Vec<Filter>, Unread> {
        let path = public_api::filters_of(&destination.id);
        self.list("the filters of a destination", &path, public_api::filters).await
    }

    async fn list<T>(
        &self,
        what: &'static str,
        list: &str,
        read: fn(&serde_json::Value) -> Option<Vec<T>>,
    ) -> Result<Vec<T>, Unread> {
        let next = |answer: &_| public_api::next(answer).map(|cursor| public_api::page(list, Some(&cursor)));
        let all = self.api.list(public_api::page(list, None), read, next).await;
        all.map_err(|trouble| Unread { what, trouble })
    }
}

impl Unread {
    /// What happened and what to do, in one sentence.
    pub fn sentence(&self) -> String {
        let what = self.what;
        match self.trouble.status() {
            Some(401) => {
                "Segment does not know this token (401): copy it anew, or make one under Settings → Workspace \
                          settings → Access Management → Tokens; a workspace in the EU is asked with --region eu"
                    .to_owned()
            }
            Some(403) => format!(
                "Segment knows this token, but does not let it read {what} (403): give it a role that may, such as \
                 Workspace Owner; the Public API is for Team and Business plans"
            ),
            _ => self.trouble.sentence("Segment's Public API"),
        }
    }
}

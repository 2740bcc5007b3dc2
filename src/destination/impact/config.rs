//! The `[impact]` section and its programs: the guide's settings under the guide's names.

use crate::secret::Secret;
use http::Uri;

/// `[impact]`
#[derive(Clone, Debug)]
pub struct Config {
    /// The authenticated API (Conversions). Default: `https://api.impact.com`.
    pub api: Uri,
    /// The tracking host (PageLoad). Default: `https://trkapi.impact.com`.
    pub tracking: Uri,
    /// The `IR-Version` header; empty: none. Default: `14`.
    pub version: String,
    /// How an e-mail address is normalised before it is hashed. Default: `trim_lower`.
    pub email_normalization: EmailNormalization,
    /// Whether page loads carry `ClickId` when it is known. Default: yes.
    pub send_click_id_on_page_load: bool,
    /// Whether `PropertyId` and `TrackingConsent` go beside the guide's names. Default: no.
    pub also_send_current_names: bool,
    /// Who delivers. Default: `direct`.
    pub mode: Mode,
    /// The programs, in the order of the file.
    pub programs: Vec<Program>,
}

/// How an e-mail address is normalised before SHA-1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmailNormalization {
    /// White space trimmed, lower-cased.
    #[default]
    TrimLower,
    /// White space trimmed.
    Trim,
    /// As it came.
    None,
}

/// Who delivers to impact.com.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Selvedge delivers and switches Segment's own destination off for what it delivers.
    #[default]
    Direct,
    /// Segment's destination delivers; Selvedge only enriches.
    Segment,
}

/// One `[[impact.program]]`.
#[derive(Clone, Debug)]
pub struct Program {
    /// A name for people; unique.
    pub name: String,
    /// The guide's Account SID.
    pub account_sid: String,
    /// The guide's API Key: the account's Auth Token. Absent only where no secret is needed (`explain`, `check`).
    pub api_key: Option<Secret>,
    /// The guide's Campaign ID.
    pub campaign_id: String,
    /// Enable Page Events. Default: off.
    pub enable_page_events: bool,
    /// Enable Screen Events. Default: off.
    pub enable_screen_events: bool,
    /// Enable Identify Events. Default: off.
    pub enable_identify_events: bool,
    /// iOS App ID.
    pub ios_app_id: Option<String>,
    /// Android App ID.
    pub android_app_id: Option<String>,
    /// Event Type ID.
    pub event_type_id: Option<String>,
    /// Event Type IDs of single events, before [`Program::event_type_id`].
    pub event_type_ids: Vec<(String, String)>,
    /// Action Event Names. Default: `["Order Completed"]`.
    pub action_event_names: Vec<String>,
    /// Install Event Names. Default: `["Application Installed"]`.
    pub install_event_names: Vec<String>,
    /// Page Load Event Names. Default: `["Application Opened"]`.
    pub page_load_event_names: Vec<String>,
    /// Custom Parameter Mapping: impact.com's name and the path of the call that replaces the default.
    pub custom_parameter_mapping: Vec<(String, String)>,
    /// Custom Mapping for Products: impact.com's name without index and the path inside the item.
    pub custom_mapping_for_products: Vec<(String, String)>,
    /// The sources (names or write keys) whose calls it takes; `None`: all.
    pub sources: Option<Vec<String>>,
}

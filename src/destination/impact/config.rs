//! The `[impact]` section and its programs: the guide's settings under the guide's names.

use super::super::Rule;
use super::{email, names, path};
use crate::fault::{Section, form};
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
    /// Whether the click ID that a page load is answered with becomes its visitor's, if the visitor has none. Default: no.
    pub keep_click_id_of_page_load: bool,
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

/// Who delivers a program's calls to impact.com.
///
/// Segment's own destination is one switch for a whole call, whatever programs there are. It is switched off for a call that a
/// `direct` program has on disk, unless a `segment` program would take the call too: that program's conversion would be
/// lost. Then it stays on, and each program gets the call once, by its own way, as long as they are not the same campaign.
/// A call that no `direct` program takes is left alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Selvedge delivers, and switches Segment's own destination off for what it delivers.
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
    /// Who delivers its calls. Default: the `mode` of `[impact]`, which is `direct` by default.
    pub mode: Mode,
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
    /// Track events that take orders back, in whole or by product. Default: none.
    pub refund_event_names: Vec<String>,
    /// Track events that cancel orders. Default: none.
    pub cancel_event_names: Vec<String>,
    /// Track events that change what orders amount to. Default: none.
    pub update_event_names: Vec<String>,
    /// Custom Parameter Mapping: impact.com's name and the path of the call that replaces the default.
    pub custom_parameter_mapping: Vec<(String, String)>,
    /// Custom Mapping for Products: impact.com's name without index and the path inside the item.
    pub custom_mapping_for_products: Vec<(String, String)>,
    /// The sources (names or write keys) whose calls it takes; `None`: all.
    pub sources: Option<Vec<String>>,
    /// Which of their calls it takes, and what of them it sees.
    pub rule: Rule,
}

/// The authenticated API by default.
pub const API: &str = "https://api.impact.com";

/// The tracking host by default.
const TRACKING: &str = "https://trkapi.impact.com";

/// The version of the API that the mapping was written for.
pub const VERSION: &str = "14";

/// The guide's defaults of the three lists of event names.
const ACTION_EVENTS: &str = "Order Completed";
const INSTALL_EVENTS: &str = "Application Installed";
const PAGE_LOAD_EVENTS: &str = "Application Opened";

impl Config {
    /// Reads the section.
    pub fn read(section: &mut Section<'_>) -> Self {
        let mode = read_mode(section).unwrap_or_default();
        let programs = section.sections("program").into_iter().map(|mut program| {
            let read = Program::read(&mut program, mode);
            program.finish();
            read
        });
        let programs = programs.collect();
        let normalizations = [
            ("trim_lower", EmailNormalization::TrimLower),
            ("trim", EmailNormalization::Trim),
            ("none", EmailNormalization::None),
        ];
        Self {
            api: section.value("api", &form::SERVER).unwrap_or(Uri::from_static(API)),
            tracking: section.value("tracking", &form::SERVER).unwrap_or(Uri::from_static(TRACKING)),
            version: section.value("version", &form::TEXT).unwrap_or_else(|| VERSION.to_owned()),
            email_normalization: section.choice("email_normalization", &normalizations).unwrap_or_default(),
            send_click_id_on_page_load: section.bool("send_click_id_on_page_load").unwrap_or(true),
            also_send_current_names: section.bool("also_send_current_names").unwrap_or(false),
            keep_click_id_of_page_load: section.bool("keep_click_id_of_page_load").unwrap_or(false),
            programs,
        }
    }
}

impl Program {
    fn read(section: &mut Section<'_>, mode: Mode) -> Self {
        section.require(&["name", "account_sid", "api_key", "campaign_id"]);
        doubt_targets(section, "custom_parameter_mapping", names::doubt);
        doubt_targets(section, "custom_mapping_for_products", names::doubt_of_item);
        let program = Self {
            name: section.value("name", &form::TEXT).unwrap_or_default(),
            mode: read_mode(section).unwrap_or(mode),
            account_sid: section.value("account_sid", &form::TEXT).unwrap_or_default(),
            api_key: section.secret("api_key"),
            campaign_id: section.identifier("campaign_id").unwrap_or_default(),
            enable_page_events: section.bool("enable_page_events").unwrap_or(false),
            enable_screen_events: section.bool("enable_screen_events").unwrap_or(false),
            enable_identify_events: section.bool("enable_identify_events").unwrap_or(false),
            ios_app_id: section.identifier("ios_app_id"),
            android_app_id: section.identifier("android_app_id"),
            event_type_id: section.identifier("event_type_id"),
            event_type_ids: section.identifiers("event_type_ids").unwrap_or_default(),
            action_event_names: events(section, "action_event_names", ACTION_EVENTS),
            install_event_names: events(section, "install_event_names", INSTALL_EVENTS),
            page_load_event_names: events(section, "page_load_event_names", PAGE_LOAD_EVENTS),
            refund_event_names: section.list("refund_event_names", &form::NAME).unwrap_or_default(),
            cancel_event_names: section.list("cancel_event_names", &form::NAME).unwrap_or_default(),
            update_event_names: section.list("update_event_names", &form::NAME).unwrap_or_default(),
            custom_parameter_mapping: section.strings("custom_parameter_mapping").unwrap_or_default(),
            custom_mapping_for_products: section.strings("custom_mapping_for_products").unwrap_or_default(),
            sources: section.list("sources", &form::NAME),
            rule: Rule::read(section),
        };
        program.doubt_events(section);
        program
    }

    /// Warns of an event that a list names in vain, since a list that goes before it names it, too.
    fn doubt_events(&self, section: &Section<'_>) {
        let lists = [
            ("install_event_names", &self.install_event_names),
            ("action_event_names", &self.action_event_names),
            ("refund_event_names", &self.refund_event_names),
            ("cancel_event_names", &self.cancel_event_names),
            ("update_event_names", &self.update_event_names),
            ("page_load_event_names", &self.page_load_event_names),
        ];
        for (index, (key, _)) in lists.iter().enumerate() {
            for (event, span) in section.places(key) {
                let earlier = lists.iter().take(index).find(|(_, names)| names.iter().any(|name| name == event));
                if let Some((first, _)) = earlier {
                    let message = format!("`{event}` does nothing here: `{first}` has it, too, and goes before");
                    section.warn_at(span, message, "leave it in one of the two");
                }
            }
        }
        for (event, span) in section.names("event_type_ids") {
            if !self.action_event_names.iter().any(|name| name == event) {
                let message = format!("`{event}` does nothing here: it is none of `action_event_names`");
                section.warn_at(span, message, "list it there, or leave it out");
            }
        }
        for (_, span) in section.places("drop_properties").into_iter().filter(|(path, _)| *path == "event") {
            let message = "without its `event` no track call is mapped";
            section.warn_at(span, message, "drop paths that the mapping does not live by: \"properties.notes\"");
        }
    }
}

/// Warns of the targets of a custom mapping that impact.com may not know, and of paths that lead nowhere.
fn doubt_targets(section: &Section<'_>, key: &str, doubt: impl Fn(&str) -> Option<(String, String)>) {
    for (name, path, span) in section.texts(key) {
        if let Some((message, help)) = path::doubt(path).or_else(|| doubt_address(name, path)) {
            section.warn_at(span, message, help);
        }
    }
    for (name, span) in section.names(key) {
        if name.trim().is_empty() {
            section.refuse_at(
                span,
                format!("a target of `{key}` has no name"),
                "name one of impact.com's parameters: CustomerStatus, or ItemBrand of products",
            );
        } else if name.trim() != name {
            let message = format!("`{name}` begins or ends with white space");
            section.refuse_at(span, message, format!("write `{}`", name.trim()));
        } else if let Some((message, help)) = doubt(name) {
            section.warn_at(span, message, help);
        }
    }
}

/// Only `CustomerEmail` is hashed: another parameter would carry an address plain.
fn doubt_address(name: &str, path: &str) -> Option<(String, String)> {
    let is_address = path.rsplit(['.', '[']).next().is_some_and(|step| step.to_lowercase().contains("email"));
    let is_plain = is_address && !email::is_hashed(name);
    is_plain.then(|| {
        let message = format!("`{name}` gets what is in `{path}` as it is: an e-mail address goes out plain");
        (message, format!("only `{}` is hashed: map that, or an id that is no address", email::PARAMETER))
    })
}

fn read_mode(section: &mut Section<'_>) -> Option<Mode> {
    section.choice("mode", &[("direct", Mode::Direct), ("segment", Mode::Segment)])
}

/// A list of event names; one that is there replaces the default, an empty one too.
fn events(section: &mut Section<'_>, key: &'static str, default: &str) -> Vec<String> {
    section.list(key, &form::NAME).unwrap_or_else(|| vec![default.to_owned()])
}

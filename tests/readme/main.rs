//! The README, tried: each of its blocks, commands, settings and names belongs to a check, and what belongs to none fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test's panic is its report, and what it skips it has to say"
)]

#[allow(dead_code, reason = "made for another test program, which uses all of it")]
#[path = "../connect/account.rs"]
mod account;
#[allow(dead_code, reason = "made for another test program, which uses all of it")]
#[path = "../connect/api.rs"]
mod api;
mod cached;
mod commands;
mod connect;
mod first_screen;
#[path = "../it/harness/mod.rs"]
mod harness;
mod names;
mod promises;
mod sdks;
mod settings;
mod split;
mod text;
mod town;
#[allow(dead_code, reason = "made for another test program, which uses all of it")]
#[path = "../connect/workspace.rs"]
mod workspace;

use text::{Block, Readme};

/// What a fenced block is, and so which check tries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The picture of what stands between what.
    Picture,
    /// The call that a server sends.
    Sent,
    /// The same call as Segment gets it.
    AtSegment,
    /// The form that impact.com gets.
    AtImpact,
    /// Lines for a shell.
    Commands,
    /// A configuration file.
    Settings,
    /// Two programs in the place of the one of that file.
    Split,
    /// A call that says its click itself.
    Said,
    /// What a filter is for an event.
    Verdict,
    /// What a build says that it costs.
    Cost,
}

impl Part {
    /// Which part `block` is; `None`: no check would try it.
    fn of(block: &Block) -> Option<Self> {
        match (block.language.as_str(), block.lead.as_str()) {
            ("text", _) if block.text.contains("│ Selvedge │") => Some(Self::Picture),
            ("text", lead) if lead.starts_with("What impact.com gets") => Some(Self::AtImpact),
            ("json", lead) if lead.starts_with("What Segment gets") => Some(Self::AtSegment),
            ("json", lead) if lead.ends_with("your server reports an order:") => Some(Self::Sent),
            ("json", lead) if lead.starts_with("Each of them sends it in the same place") => Some(Self::Said),
            ("text", _) if block.text.starts_with("stdin:1: ") => Some(Self::Verdict),
            ("text", _) if block.text.starts_with("What this build adds") => Some(Self::Cost),
            ("sh", _) => Some(Self::Commands),
            ("toml", lead) if lead.ends_with("with the guide's own example:") => Some(Self::Split),
            ("toml", _) => Some(Self::Settings),
            _ => None,
        }
    }

    /// The README's blocks of this part: at least one.
    pub(crate) fn blocks(self) -> Vec<String> {
        let all = Readme::own().blocks.into_iter().filter(|block| Self::of(block) == Some(self));
        let texts: Vec<String> = all.map(|block| block.text).collect();
        assert!(!texts.is_empty(), "the README has no {self:?}");
        texts
    }

    /// The README's only block of this part.
    pub(crate) fn block(self) -> String {
        let mut blocks = self.blocks();
        assert_eq!(blocks.len(), 1, "{self:?}");
        blocks.remove(0)
    }
}

/// What no check would try, of a text like the README.
fn untried(readme: &Readme) -> Vec<String> {
    let blocks = readme.blocks.iter().filter(|block| Part::of(block).is_none());
    let blocks = blocks.map(|block| format!("line {}: this block ({}) has no check", block.line, block.language));
    let spans = readme.spans.iter().filter(|span| {
        !(commands::is_tried(span) || settings::is_tried(span) || first_screen::is_tried(span) || names::is_known(span))
    });
    blocks.chain(spans.map(|span| format!("`{span}` has no check"))).collect()
}

#[test]
fn everything_in_the_readme_belongs_to_a_check() {
    assert_eq!(untried(&Readme::own()), Vec::<String>::new());
}

#[test]
fn what_belongs_to_no_check_is_found() {
    let text = "Try `selvedge fly`, `[click] windw` and `policy = \"frist\"` with `frobnicate`.\n\n```js\nx\n```\n\nBut `im_ref` is fine.\n";
    let found = untried(&Readme::read(text));
    let expected = ["line 3: this block (js)", "`selvedge fly`", "`[click] windw`", "`frobnicate`"];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    assert!(found.iter().zip(expected).all(|(found, start)| found.starts_with(start)), "{found:?}");
}

//! Selvedge: a first-party edge proxy for attribution.
//!
//! It stands in front of a web site and of Segment's endpoints on the same host, keeps impact.com's click ID in a
//! first-party cookie, writes it into the Segment calls that pass, remembers whose click it is, and delivers page
//! loads, installs and conversions to impact.com, durably.
//!
//! # The map
//!
//! A room imports only from rooms below its own; `tests/tidy` holds the table and fails with the rule.
//!
//! | layer | rooms |
//! |--:|---|
//! | 7 | `main` → [`cli`] → [`app`] → [`config`] |
//! | 6 | [`demo`] |
//! | 5 | [`server`] · [`admin`] · [`connect`] |
//! | 4 | [`proxy`] · [`delivery`] (they meet only in the outbox) |
//! | 3 | [`outbox`] · [`links`] · [`live`] |
//! | 2 | [`destination`] · [`store`] · [`attribution`] |
//! | 1 | [`segment`] · [`filter`] |
//! | 0 | [`click`] → [`fault`] → [`clock`] · [`secret`] · [`units`] · [`metrics`] |
//!
//! # Invariants
//!
//! * Nothing in [`click`], [`segment`], [`filter`], [`attribution`] or [`destination`]'s mapping reads a clock, a socket or a file.
//! * Only `destination::impact` knows impact.com, only [`segment`] knows Segment, [`connect`] makes them meet, and [`store`] knows
//!   neither.
//! * A Segment call is never re-serialised: what is added is spliced into the bytes that came.
//! * No failure of attribution, store or network changes what the site or Segment answers.
//! * What was acknowledged is delivered, sent on, or visibly given up: see [`outbox`].

pub mod admin;
pub mod app;
pub mod attribution;
pub mod cli;
pub mod click;
pub mod clock;
pub mod config;
pub mod connect;
pub mod delivery;
pub mod demo;
pub mod destination;
pub mod fault;
pub mod filter;
pub mod links;
pub mod live;
pub mod metrics;
pub mod outbox;
pub mod proxy;
pub mod secret;
pub mod segment;
pub mod server;
pub mod store;
pub mod units;

//! Which click a call earns, and on what evidence.

//! A fault in the configuration, with its place.

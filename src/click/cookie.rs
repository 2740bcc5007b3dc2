//! The master cookie.

//! Click parameters in a query string.

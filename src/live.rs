//! The events that the admin page and the demo show, as they happen.

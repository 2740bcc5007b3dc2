//! Wiring: what is started, in which order, and how it stops.

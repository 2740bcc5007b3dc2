//! Durations and sizes as people write them: `30d`, `250ms`, `2 MiB`.

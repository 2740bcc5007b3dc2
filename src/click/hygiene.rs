//! Who is no visitor: bots, prefetches.

//! Climbing the ladder.

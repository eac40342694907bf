//! Readers: what they take and what they refuse.

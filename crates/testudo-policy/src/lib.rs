//! testudo-policy

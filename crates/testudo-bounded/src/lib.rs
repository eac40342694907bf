//! testudo-bounded

//! testudo-detect

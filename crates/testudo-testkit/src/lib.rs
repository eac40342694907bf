//! testudo-testkit

//! testudo-gateway

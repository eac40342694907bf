//! What clients of MLflow's model registry ask, its search language, and its error codes; for reading only.

mod ask;
mod fault;
mod filter;
mod query;
#[cfg(test)]
mod tests;

pub use ask::{Ask, BODY_BYTES_MAX, Place, Search, read, takes_body};
pub use fault::{Code, Fault};
pub use filter::{Content, Field, Filter, Order, orders, page};

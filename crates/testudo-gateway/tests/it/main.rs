//! Tests of the gateway from outside: the guards on recorded traffic, then whole exchanges.

mod bodies;
mod canaries;
mod guards;
mod streams;

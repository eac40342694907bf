//! Stand-ins and measuring tools for Testudo's own tests: never part of the product.
//!
//! * [`MockUpstream`] answers like OpenAI and Anthropic, with delays, byte splits and faults on demand,
//!   and remembers what it received and when the peer went away.
//! * [`recorded`] builds whole streams and bodies from one dialect-neutral [`recorded::Script`], so that a
//!   test can plant a secret in any client-visible field.
//! * [`tee`] relays and remembers bytes; [`load`] generates open-loop load with corrected latencies; [`process`] reads another process' costs.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use testudo_testkit::{Fault, MockSettings, MockUpstream};
//!
//! let mock = MockUpstream::start(MockSettings { chunks: 8, ..MockSettings::default() }).await?;
//! // … point a gateway at `mock.base_url()` and call it …
//! mock.set(MockSettings { fault: Some(Fault::HangMidBody), ..MockSettings::default() });
//! // … drop the client …
//! let closed = mock.wait_for_close().await;
//! assert!(closed.body.starts_with(b"{"));
//! # Ok(())
//! # }
//! ```

mod json_writer;
pub mod load;
pub mod mock;
pub mod process;
pub mod recorded;
pub mod tee;
mod wire;

pub use mock::{Ended, Fault, MockSettings, MockUpstream, ReceivedRequest, Reply, Split, UsageChunk};

//! Each provider's wire format as one conversation view with byte ranges, and edits spliced back.

pub mod sse;

//! What a text is made of besides words: mark-up, links, the tokens of chat templates; and how untrusted text is marked.

pub mod html;
pub mod links;
pub mod special;
pub mod spotlight;

mod scan;

pub(crate) use self::scan::scan;

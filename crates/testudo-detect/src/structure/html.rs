//! HTML as far as it matters here: tags, comments, entities, and what a reader of the page sees.

pub(crate) mod entities;
pub(crate) mod tokens;

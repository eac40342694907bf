//! What a text is made of besides words: markup, links, the marks of chat templates.

pub mod html;
pub mod links;

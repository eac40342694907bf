//! JSON: what is accepted, refused, mapped and spliced.

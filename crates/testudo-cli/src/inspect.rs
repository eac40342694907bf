//! `testudo inspect`: shows what the guards find in texts.

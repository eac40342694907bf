//! The recorder as a whole: what it promises, over files that fail in every way.

mod appends;
mod crash;
mod dropping;
mod failure;
mod indexed;
mod put_back;
mod rig;
mod witnessed;

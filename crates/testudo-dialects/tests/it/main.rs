//! The dialects as their users see them: recorded streams, bodies, hostile shapes, endings.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod completeness;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod history;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod render;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod streams;

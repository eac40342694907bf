//! What policies decide and which policies are refused, as tables of cases and as properties.

#[cfg(test)]
mod acts;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod drafts;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod replayed;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod twins;
#[cfg(test)]
mod world;

//! The Prometheus way out: a real server on a free port, over a host made of files.

// Marked, because clippy takes functions that are not tests themselves for code that may not unwrap.
#[cfg(test)]
mod agent;
#[cfg(test)]
#[path = "../support/authority.rs"]
mod authority;
#[cfg(test)]
mod door;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod names;
#[cfg(test)]
mod negotiation;
#[cfg(test)]
mod page;
#[cfg(test)]
mod reference;
#[path = "../support/mod.rs"]
mod support;
#[cfg(test)]
mod text;
#[cfg(test)]
mod ways;

//! What a decision needs from outside: what time it is, and bytes that nobody can foresee.

use std::fmt::Debug;

use carrel_model::record::Timestamp;

/// The wall clock. It may be set back; the decider never goes back with it.
pub trait Clock: Send + Sync + Debug {
    fn now(&self) -> Timestamp;
}

/// Where fresh ids come from.
pub trait Entropy: Send + Debug {
    fn draw(&mut self) -> [u8; 16];
}

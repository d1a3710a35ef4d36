//! What is given, asked for, and comes of it.

mod bounds;
mod diagram;
mod full;
mod in_vain;
mod lease;
mod machines;
mod queue;
mod random;
mod reach;
mod renewals;
mod request;
mod rights;
mod sealing;
pub(crate) mod site;
mod speed;
mod stories;
mod way;

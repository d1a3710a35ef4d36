//! What is given, asked for, and comes of it.

mod assign;
mod calendar;
mod settings;

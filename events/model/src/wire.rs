//! Commands as they are sent, and as schemas/ shows them.

use crate::people::Plain;

pub type Command = crate::command::Command<Plain>;

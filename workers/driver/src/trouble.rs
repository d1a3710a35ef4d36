//! Why something could not be done, and whether trying again would help.

use carrel_model::operation::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hope {
    /// It will be the same again: no such bridge, no such file.
    Never,
    /// It may work another time: a lock, a moment without memory.
    Again,
    /// Nothing works: the hypervisor can't be reached. What was asked for may have been done.
    Unreachable,
    /// Nobody wanted it any more.
    Cancelled,
}

/// Of a file of a version that is not what was made. Once released it stays the same.
pub const BACKING_CHANGED: &str = "backing_changed";

/// Of a storage that was used, and is not where it was. Once released it stays the same.
pub const STORAGE_NOT_MOUNTED: &str = "storage_not_mounted";

/// The failure's code is the word of the step, or of what it lacked; once released it stays the
/// same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", .failure.code, .failure.detail)]
pub struct Trouble {
    pub failure: Failure,
    pub hope: Hope,
}

impl Trouble {
    pub fn new(hope: Hope, code: &str, detail: &str) -> Self {
        Self { failure: Failure::new(code, detail), hope }
    }

    pub fn never(code: &str, detail: &str) -> Self {
        Self::new(Hope::Never, code, detail)
    }

    pub fn again(code: &str, detail: &str) -> Self {
        Self::new(Hope::Again, code, detail)
    }

    pub fn unreachable(detail: &str) -> Self {
        Self::new(Hope::Unreachable, "unreachable", detail)
    }

    pub fn cancelled() -> Self {
        Self::new(Hope::Cancelled, "cancelled", "something newer was asked for")
    }
}

//! Whoever waits for a long call.

/// Hears how far it is, and may not want it any more.
pub trait Watch: Sync {
    /// Of how many bytes so many are done. Never fewer than before.
    fn is(&self, done_bytes: u64, of_bytes: Option<u64>) {
        let _ = (done_bytes, of_bytes);
    }

    /// Asked about every 50 ms, and before anything gets its name.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Nobody wants to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}

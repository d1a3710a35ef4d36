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

/// A call that goes over a disk twice is heard as one.
pub(crate) struct Half<'a> {
    pub(crate) watch: &'a dyn Watch,
    pub(crate) is_second: bool,
    pub(crate) virtual_bytes: u64,
}

impl Watch for Half<'_> {
    fn is(&self, done_bytes: u64, _of_bytes: Option<u64>) {
        let before = if self.is_second { self.virtual_bytes } else { 0 };
        self.watch.is(before + done_bytes, Some(self.virtual_bytes * 2));
    }

    fn is_cancelled(&self) -> bool {
        self.watch.is_cancelled()
    }
}

/// Nobody wants to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}

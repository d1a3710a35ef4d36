//! How long to wait before the next try: twice as long each time.

use std::time::Duration;

use crate::limits::{BACK_OFF_FIRST, BACK_OFF_MOST};

#[derive(Debug)]
pub(crate) struct BackOff(Duration);

impl Default for BackOff {
    fn default() -> Self {
        Self(BACK_OFF_FIRST)
    }
}

impl BackOff {
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = self.0.saturating_mul(2).min(BACK_OFF_MOST);
    }

    /// The first failure of a row is worth a word, the others are the same.
    pub(crate) fn is_first(&self) -> bool {
        self.0 == BACK_OFF_FIRST
    }
}

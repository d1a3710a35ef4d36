//! Whoever wants to hear that something has changed on a host.

use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, PoisonError};

use crate::hypervisor::Listener;

#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Option<Listener>>>);

impl Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

impl Told {
    pub(crate) fn is(&self, listener: Listener) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
    }

    pub(crate) fn tell(&self) {
        let listener = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(listener) = listener {
            listener();
        }
    }
}

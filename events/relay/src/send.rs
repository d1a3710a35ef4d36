//! A message is sent until the broker answers for it.

use carrel_bus::{Address, Bus, BusError, Message};

use crate::back_off::BackOff;

/// Why a message is not sent any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nobody takes anything out of that queue, and others must not wait for whoever doesn't.
    Full,
    /// No broker takes it.
    TooLong,
}

/// Sends until the broker has confirmed. The same message goes out each time, with the same id.
pub(crate) async fn send(bus: &dyn Bus, to: &Address, message: Message) -> Result<(), Left> {
    let mut back_off = BackOff::default();
    loop {
        match bus.publish(to, message.clone()).await {
            Ok(()) => return Ok(()),
            Err(error @ BusError::Full { .. }) => {
                tracing::error!(%error, %to, alarm = true, "a message is left out for now");
                return Err(Left::Full);
            }
            Err(error @ BusError::TooLong { .. }) => {
                tracing::error!(%error, %to, alarm = true, "a message can't be sent");
                return Err(Left::TooLong);
            }
            Err(error @ (BusError::Unreachable(_) | BusError::Closed)) => {
                if back_off.is_first() {
                    tracing::warn!(%error, %to, "a message is sent again until it is confirmed");
                }
                back_off.wait().await;
            }
        }
    }
}

//! What a decision may know beside the fleet: who asks, what time it is, and ids that nobody has
//! yet.

use uuid::{Builder, Uuid};

use crate::ids::{ActorId, CommandId};
use crate::name::Method;
use crate::record::{Fingerprint, Timestamp};

/// Everything that varies from run to run comes in here, so that the same context gives the same
/// decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    pub command_id: CommandId,
    /// Of the command as it was sent.
    pub fingerprint: Fingerprint,
    pub actor: ActorId,
    pub method: Method,
    /// Never before the last record's time.
    pub now: Timestamp,
    /// Fresh for each command; all ids that it makes are drawn from it.
    pub entropy: [u8; 16],
}

/// Gives out ids of version 7: no two of one context are the same, and those of different contexts
/// differ by their entropy.
#[derive(Clone, Debug)]
pub(crate) struct FreshIds {
    millis: u64,
    entropy: [u8; 16],
    given: u64,
}

impl FreshIds {
    pub(crate) fn new(context: &Context) -> Self {
        let millis = u64::try_from(context.now.0 / 1_000).unwrap_or_default();
        Self { millis, entropy: context.entropy, given: 0 }
    }

    pub(crate) fn next(&mut self) -> Uuid {
        let mut bytes = [0; 10];
        // The count stands first: ids made later in one decision sort later.
        let count = u16::try_from(self.given).unwrap_or(u16::MAX) & 0x0fff;
        bytes[..2].copy_from_slice(&count.to_be_bytes());
        let drawn = mix(self.entropy, self.given);
        bytes[2..].copy_from_slice(&drawn.to_be_bytes());
        self.given += 1;
        Builder::from_unix_timestamp_millis(self.millis, &bytes).into_uuid()
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014) over both halves.
fn mix(entropy: [u8; 16], count: u64) -> u64 {
    let [low, high] = [0, 8].map(|at| {
        entropy[at..].first_chunk().map_or(0, |bytes: &[u8; 8]| u64::from_le_bytes(*bytes))
    });
    let mut state = low ^ high.rotate_left(32) ^ count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

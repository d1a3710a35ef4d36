//! The policy that spreads machines: the host with most of its scarcest resource left.

use super::policy::{Policy, Room, WHOLE};

/// A machine stays where it is if another host has at most so much more: to move it, its host has
/// to let go first, which takes longer than a start.
const HERE_WINS_WITHIN: u64 = WHOLE / 20;

pub(super) struct Headroom;

impl Policy for Headroom {
    fn name(&self) -> &'static str {
        "headroom"
    }

    fn weigh(&self, room: &Room<'_>) -> u64 {
        room.scarcest_left() + if room.here { HERE_WINS_WITHIN } else { 0 }
    }

    fn because(&self, room: &Room<'_>) -> String {
        let most =
            if room.here { "it was there, and no other has much more room" } else { "most room" };
        format!("{most}: {}", room.words())
    }
}

//! The policy that fills one host before the next, so that empty ones can be switched off.

use super::policy::{Policy, Room, WHOLE};

#[cfg_attr(not(test), expect(dead_code, reason = "a site that wants it names it in `POLICY`"))]
pub(super) struct Pack;

impl Policy for Pack {
    fn name(&self) -> &'static str {
        "pack"
    }

    fn weigh(&self, room: &Room<'_>) -> u64 {
        WHOLE - room.scarcest_left().min(WHOLE)
    }

    fn because(&self, room: &Room<'_>) -> String {
        format!("fullest that can take it: {}", room.words())
    }
}

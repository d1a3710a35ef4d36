//! Commands as JSON, one after the other: whatever they say, deciding them panics nowhere, and
//! folding the facts gives the fleet that the decision says.
#![no_main]

#[path = "../../testkit/src/told.rs"]
mod told;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|commands: &[u8]| {
    told::tell(commands);
});

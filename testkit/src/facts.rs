//! Golden files of facts: each schema of each fact once with everything that may be there, and once
//! with nothing that may be left out. They never change. Where they mean something else today, that
//! stands beside them.

use std::fs;
use std::path::{Path, PathBuf};

use carrel_model::event::{Event, KNOWN, Known};
use serde_json::Value;

use crate::described::generator;
use crate::random::Random;
use crate::sample::{Fullness, Sampler};

/// In the repository.
pub const FOLDER: &str = "events/model/tests/golden";

pub const SAMPLES: [(&str, Fullness); 2] =
    [("full", Fullness::Full), ("minimal", Fullness::Minimal)];

/// Where the sample of a schema is, and where what it means today is.
pub fn paths(folder: &Path, known: &Known, sample: &str) -> (PathBuf, PathBuf) {
    let folder = folder.join(known.kind);
    let name = format!("v{}.{sample}", known.schema);
    (folder.join(format!("{name}.json")), folder.join(format!("{name}.now.json")))
}

/// Files that are not there yet, and what is to be said anew of those that are.
pub fn missing(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for known in KNOWN {
        for (sample, fullness) in SAMPLES {
            let (golden, now) = paths(folder, known, sample);
            let there = fs::read_to_string(&golden).ok();
            let text = there.clone().unwrap_or_else(|| format!("{:#}\n", made_up(known, fullness)));
            let meaning = meaning(known, text.as_bytes());
            // With a later schema an old record may come to mean more than it says.
            let said = fs::read_to_string(&now).unwrap_or_else(|_| text.clone());
            if meaning != said {
                files.push((now, meaning));
            }
            if there.is_none() {
                files.push((golden, text));
            }
        }
    }
    files
}

/// Each file is made from its own seed, so that a new fact changes no other's.
fn made_up(known: &Known, fullness: Fullness) -> Value {
    let schema = (known.json_schema)(generator()).to_value();
    let seed = known.kind.bytes().fold(u64::from(known.schema), |seed, byte| {
        seed.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    let mut sampler = Sampler {
        root: &schema,
        random: &mut Random::new(seed),
        fullness,
        known: &mut |name, _| match name {
            "SealedBox" => Some(serde_json::json!({
                "key": "0198c0de-0000-7000-8000-000000000001", "data": "c2VhbGVk"
            })),
            _ => None,
        },
    };
    sampler.value()
}

/// What the data is read as, by this version, as this version would write it.
pub fn meaning(known: &Known, data: &[u8]) -> String {
    let stream = (known.category, uuid::Uuid::nil());
    let event = Event::decode(known.kind, known.schema, stream, data);
    let event = event.unwrap_or_else(|error| panic!("{known:?}: {error}"));
    let written = event.written(u16::MAX).and_then(Result::ok);
    let written = written.unwrap_or_else(|| panic!("{known:?} can't be written"));
    let data: Value = serde_json::from_slice(&written.data).unwrap_or_default();
    format!("{data:#}\n")
}

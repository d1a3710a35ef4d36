//! What the schemas of facts are for ever: a line for each, with a digest of everything that a
//! reader depends on. A line is written once, when the schema comes to be. A log that holds such a
//! fact may be anywhere by then.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use carrel_model::event::{KNOWN, Known};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::described::generator;
use crate::facts::{SAMPLES, paths};

/// In the folder of the golden files.
pub const FILE: &str = "frozen.txt";

/// What has been written down, by kind and schema.
pub fn written(folder: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder.join(FILE)).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    lines.map(|(name, digest)| (name.to_owned(), digest.to_owned())).collect()
}

/// The file as it was, and with a line for each schema that has none yet.
pub fn with_new(folder: &Path) -> String {
    let mut all = written(folder);
    for known in KNOWN {
        all.entry(name(known)).or_insert_with(|| digest(folder, known));
    }
    let mut text = String::new();
    for (name, digest) in all {
        let _ = writeln!(text, "{name} {digest}");
    }
    text
}

pub fn name(known: &Known) -> String {
    format!("{} v{}", known.kind, known.schema)
}

/// Of its shape and its golden files: SHA-256, as hexadecimal digits.
pub fn digest(folder: &Path, known: &Known) -> String {
    let schema = (known.json_schema)(generator()).to_value();
    let mut all = Sha256::new();
    all.update(shape(&schema).to_string());
    for (sample, _) in SAMPLES {
        let (golden, _) = paths(folder, known, sample);
        all.update(fs::read(golden).unwrap_or_default());
    }
    let mut text = String::new();
    for byte in all.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A schema without the words for people, its members in the order of their names.
fn shape(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let said = |name: &str| ["title", "description"].contains(&name);
            let rest = members.iter().filter(|(name, _)| !said(name));
            sorted(rest.map(|(name, value)| {
                let names_things = ["properties", "$defs"].contains(&name.as_str());
                (name, if names_things { each(value) } else { shape(value) })
            }))
        }
        Value::Array(all) => all.iter().map(shape).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}

/// Schemas under names of their own, which may well be `title`.
fn each(named: &Value) -> Value {
    let members = named.as_object().into_iter().flatten();
    sorted(members.map(|(name, schema)| (name, shape(schema))))
}

fn sorted<'a>(members: impl Iterator<Item = (&'a String, Value)>) -> Value {
    let members: BTreeMap<String, Value> =
        members.map(|(name, value)| (name.clone(), value)).collect();
    Value::Object(Map::from_iter(members))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::shape;

    #[test]
    fn words_are_no_part_of_a_shape_and_names_are() {
        let with = |words: &str, name: &str| {
            shape(&json!({ "title": words, "description": words, "type": "object",
                "properties": { name: { "description": words, "type": "string" } } }))
        };
        assert_eq!(with("a", "title"), with("b", "title"));
        assert_ne!(with("a", "title"), with("a", "description"));
    }

    #[test]
    fn what_may_be_left_out_is_part_of_a_shape() {
        let with = |required: &[&str]| {
            shape(&json!({ "properties": { "a": { "type": "string" } }, "required": required }))
        };
        assert_ne!(with(&[]), with(&["a"]));
    }
}

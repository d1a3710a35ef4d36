//! What schemas leave open and whoever reads a body does not: the largest number of each size, and
//! the letters of some texts.
//!
//! Facts have these types, too, and the schemas of facts never change; so what is said more of them
//! is said here, of the description of the API alone.

use serde_json::{Map, Value, json};

/// Named schemas, and the regular expression (ECMA 262) that their texts match.
const PATTERNS: &[(&str, &str)] = &[
    ("Text", r"^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f]*$"),
    ("Line", r"^[^\u0000-\u001f\u007f-\u009f]*$"),
    ("Hostname", r"^(?![0-9]+$)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$"),
    ("HostPath", r"^/(?!(?:.*/)?\.\.(?:/|$))[A-Za-z0-9._/-]*$"),
    ("FilePath", r"^(?!(?:.*/)?\.{1,2}(?:/|$))[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*$"),
    ("Mac", r"^(?!00(?::00){5}$)[0-9A-Fa-f][02468ACEace](?::[0-9A-Fa-f]{2}){5}$"),
    ("NamePattern", r"^[A-Za-z0-9._-]*\{n\}[A-Za-z0-9._-]*$"),
];

pub(super) fn bound(document: &mut Value) {
    for (name, pattern) in PATTERNS {
        if let Some(Value::Object(schema)) =
            document.pointer_mut(&format!("/components/schemas/{name}"))
        {
            schema.insert("pattern".to_owned(), json!(pattern));
        }
    }
    formats(document);
}

/// What formats leave open. Those of numbers are said by their types, which hold no more than this.
fn formats(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(largest) = largest(fields) {
                fields.entry("maximum").or_insert(json!(largest));
            }
            // A set may be sent with something in it twice, which is as good as once.
            fields.remove("uniqueItems");
            // JSON Schema has a format for each kind of address, and none for both.
            if fields.get("format").is_some_and(|format| format == "ip") {
                fields.remove("format");
                fields.insert(
                    "anyOf".to_owned(),
                    json!([{ "format": "ipv4" }, { "format": "ipv6" }]),
                );
            }
            fields.values_mut().for_each(formats);
        }
        Value::Array(items) => items.iter_mut().for_each(formats),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

pub(super) fn largest(schema: &Map<String, Value>) -> Option<u64> {
    match schema.get("format")?.as_str()? {
        "uint8" => Some(u8::MAX.into()),
        "uint16" => Some(u16::MAX.into()),
        "uint32" => Some(u32::MAX.into()),
        "uint" | "uint64" => Some(u64::MAX),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::PATTERNS;
    use crate::openapi::document;

    #[test]
    fn every_pattern_is_of_a_schema_that_is_there() {
        let document = document();
        for (name, pattern) in PATTERNS {
            let schema = &document["components"]["schemas"][*name];
            assert_eq!(schema["pattern"], Value::from(*pattern), "{name}");
        }
    }

    #[test]
    fn every_number_has_a_largest() {
        fn look(value: &Value) {
            if value["format"].as_str().is_some_and(|format| format.starts_with("uint")) {
                assert!(value["maximum"].is_u64(), "{value}");
            }
            match value {
                Value::Object(fields) => fields.values().for_each(look),
                Value::Array(items) => items.iter().for_each(look),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        look(&document());
    }
}

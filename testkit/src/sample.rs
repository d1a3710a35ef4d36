//! Values that a JSON Schema allows, made up.
//!
//! It knows the part of JSON Schema (draft 2020-12) that Carrel's own schemas use. A schema that
//! needs more is an error of whoever wrote the test, and says so.

use serde_json::{Map, Value, json};

use crate::random::Random;

/// How much of what may be there is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fullness {
    /// Only what has to be.
    Minimal,
    /// Everything.
    Full,
    /// Now and then.
    Some,
}

/// What is known about a value beside its schema: the name of the definition that it is of, or
/// else its description.
pub type Known<'a> = dyn FnMut(&str, &mut Random) -> Option<Value> + 'a;

#[expect(missing_debug_implementations, reason = "it holds a function")]
pub struct Sampler<'a> {
    pub root: &'a Value,
    pub random: &'a mut Random,
    pub fullness: Fullness,
    /// Answers for values that must fit to something else.
    pub known: &'a mut Known<'a>,
}

/// Schemas refer to themselves; samples end somewhere.
const DEPTH_MAX: usize = 24;

impl Sampler<'_> {
    pub fn value(&mut self) -> Value {
        let root = self.root;
        self.of(root, 0)
    }

    fn of(&mut self, schema: &Value, depth: usize) -> Value {
        assert!(depth < DEPTH_MAX, "a schema that leads nowhere: {schema}");
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let name = reference.rsplit('/').next().unwrap_or_default();
            if let Some(value) = (self.known)(name, self.random) {
                return value;
            }
            let definition = &self.root["$defs"][name];
            return self.of(definition, depth + 1);
        }
        if let Some(about) = schema.get("description").and_then(Value::as_str)
            && let Some(value) = (self.known)(about, self.random)
        {
            return value;
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        for choice in ["enum", "examples"] {
            if let Some(Value::Array(values)) = schema.get(choice)
                && !values.is_empty()
            {
                return values[self.pick(values.len())].clone();
            }
        }
        for choice in ["oneOf", "anyOf"] {
            if let Some(Value::Array(schemas)) = schema.get(choice) {
                let chosen = self.alternative(schemas);
                return self.of(&schemas[chosen], depth + 1);
            }
        }
        if let Some(Value::Array(schemas)) = schema.get("allOf") {
            return self.of(&schemas[0], depth + 1);
        }
        self.of_type(schema, depth)
    }

    fn of_type(&mut self, schema: &Value, depth: usize) -> Value {
        let kind = match schema.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(Value::Array(kinds)) => {
                let wanted = if self.fullness == Fullness::Minimal { "null" } else { "" };
                let named = |kind: &&Value| (kind.as_str() == Some("null")) == (wanted == "null");
                kinds.iter().find(named).and_then(Value::as_str).unwrap_or("null")
            }
            _ if schema.get("properties").is_some() => "object",
            _ => "null",
        };
        match kind {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, depth),
            "string" => self.string(schema),
            "integer" | "number" => self.number(schema),
            "boolean" => json!(self.fullness == Fullness::Full || self.random.chance(2)),
            _ => Value::Null,
        }
    }

    /// Null is the least of all.
    fn alternative(&mut self, schemas: &[Value]) -> usize {
        let null = schemas.iter().position(|schema| schema["type"] == "null");
        match (self.fullness, null) {
            (Fullness::Minimal, Some(null)) => null,
            (Fullness::Full, Some(null)) if schemas.len() > 1 => usize::from(null == 0),
            _ => self.pick(schemas.len()),
        }
    }

    fn pick(&mut self, count: usize) -> usize {
        match self.fullness {
            Fullness::Some => self.random.index(count),
            Fullness::Full => count - 1,
            Fullness::Minimal => 0,
        }
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let mut object = Map::new();
        let required = schema.get("required").and_then(Value::as_array);
        let is_required =
            |name: &str| required.is_some_and(|names| names.iter().any(|it| it == name));
        if let Some(Value::Object(properties)) = schema.get("properties") {
            for (name, property) in properties {
                let wanted = match self.fullness {
                    Fullness::Minimal => false,
                    Fullness::Full => true,
                    Fullness::Some => self.random.chance(3),
                };
                if is_required(name) || wanted {
                    object.insert(name.clone(), self.of(property, depth + 1));
                }
            }
        }
        let values = schema.get("additionalProperties").filter(|values| values.is_object());
        if let Some(values) = values
            && self.fullness != Fullness::Minimal
        {
            // Names have a pattern; what has none is an id.
            object.insert(uuid(self.random.bytes()), self.of(values, depth + 1));
        }
        self.pattern_properties(schema, &mut object, depth);
        Value::Object(object)
    }

    fn pattern_properties(
        &mut self,
        schema: &Value,
        object: &mut Map<String, Value>,
        depth: usize,
    ) {
        let Some(Value::Object(patterns)) = schema.get("patternProperties") else { return };
        if self.fullness == Fullness::Minimal {
            return;
        }
        for (pattern, values) in patterns {
            let name = self.string(&json!({ "type": "string", "pattern": pattern }));
            object.insert(name.as_str().unwrap_or("key").to_owned(), self.of(values, depth + 1));
        }
    }

    fn array(&mut self, schema: &Value, depth: usize) -> Value {
        if let Some(Value::Array(items)) = schema.get("prefixItems") {
            return items.iter().map(|item| self.of(item, depth + 1)).collect();
        }
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let count = match self.fullness {
            Fullness::Minimal => least,
            Fullness::Full => least.max(1),
            Fullness::Some => least + self.random.below(3),
        };
        let items = &schema["items"];
        let mut values: Vec<Value> = Vec::new();
        for _ in 0..count {
            let value = self.of(items, depth + 1);
            if !values.contains(&value) {
                values.push(value);
            }
        }
        Value::Array(values)
    }

    fn string(&mut self, schema: &Value) -> Value {
        if schema["format"] == "uuid" {
            return json!(uuid(self.random.bytes()));
        }
        if schema["format"] == "ip" {
            return json!("192.0.2.17");
        }
        let pattern = schema.get("pattern").and_then(Value::as_str).unwrap_or_default();
        if pattern.contains("0-9a-f]{64}") {
            return json!(format!("{:064x}", self.random.next()));
        }
        if pattern.contains("A-Fa-f") {
            return json!("52:54:00:12:34:56");
        }
        let names = ["a", "lab", "win11", "debian", "room-7", "x.y_z"];
        let name = names[self.pick(names.len())];
        match self.fullness {
            Fullness::Some => json!(name),
            Fullness::Minimal | Fullness::Full => json!(format!("{name}1")),
        }
    }

    fn number(&mut self, schema: &Value) -> Value {
        let least = schema.get("minimum").and_then(Value::as_f64).unwrap_or(0.0);
        let most = schema.get("maximum").and_then(Value::as_f64).unwrap_or(100_000.0);
        // Small: what is counted by them is made.
        let few: [f64; 8] = [0.0, 1.0, 2.0, 2.0, 3.0, 5.0, 20.0, 300.0];
        let drawn = few[self.random.index(few.len())].clamp(least, most);
        match self.fullness {
            Fullness::Some => json!(whole(drawn)),
            Fullness::Minimal | Fullness::Full => json!(whole(least.max(2.0).min(most))),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "limits of schemas are small")]
const fn whole(number: f64) -> i64 {
    number as i64
}

fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x70;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    uuid::Uuid::from_bytes(bytes).to_string()
}

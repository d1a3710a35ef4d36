//! What in a newer description would break a program that was written against an older one.
//!
//! A field, a path, an answer or a value that is gone; something that has to be sent and had not
//! to; a type that has changed; a bound of what is sent that was wider. What is new beside that
//! breaks nobody.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::openapi::strict::largest;

/// Schemas refer to themselves.
const DEPTH_MAX: usize = 40;

/// Whether somebody reads what a schema describes, or sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Sent,
    Read,
}

/// What breaks, in words.
pub fn changes(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Finder { old, new, found: Vec::new(), seen: BTreeSet::new() };
    for (path, item) in fields(&old["paths"]) {
        for (method, operation) in fields(item) {
            let place = format!("{method} {path}");
            match new["paths"].get(path).and_then(|item| item.get(method)) {
                None => found.say(&place, "is gone"),
                Some(now) => found.operation(&place, operation, now),
            }
        }
    }
    found.found.sort();
    found.found.dedup();
    found.found
}

struct Finder<'a> {
    old: &'a Value,
    new: &'a Value,
    found: Vec<String>,
    seen: BTreeSet<(Side, String)>,
}

fn fields(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What a reference leads to.
fn followed<'a>(document: &'a Value, mut value: &'a Value) -> &'a Value {
    for _ in 0..DEPTH_MAX {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else { break };
        let pointer = reference.trim_start_matches('#');
        value = document.pointer(pointer).unwrap_or(&Value::Null);
    }
    value
}

impl<'a> Finder<'a> {
    fn say(&mut self, place: &str, what: &str) {
        self.found.push(format!("{place}: {what}"));
    }

    fn operation(&mut self, place: &str, old: &'a Value, new: &'a Value) {
        let (was, is) = (items(old, "parameters"), items(new, "parameters"));
        let same = |a: &Value, b: &Value| a["name"] == b["name"] && a["in"] == b["in"];
        for parameter in was {
            let name = parameter["name"].as_str().unwrap_or_default();
            if !is.iter().any(|it| same(it, parameter)) {
                self.say(place, &format!("the parameter {name} is gone"));
            }
        }
        for parameter in is.iter().filter(|it| it["required"] == true) {
            let name = parameter["name"].as_str().unwrap_or_default();
            if !was.iter().any(|it| same(it, parameter) && it["required"] == true) {
                self.say(place, &format!("the parameter {name} has to be sent"));
            }
        }
        if new.get("x-roles").is_some() {
            let now = items(new, "x-roles");
            for role in items(old, "x-roles").iter().filter(|role| !now.contains(role)) {
                self.say(place, &format!("{role} may not do this any more"));
            }
        }
        if new["requestBody"]["required"] == true && old["requestBody"]["required"] != true {
            self.say(place, "a body has to be sent");
        }
        self.contents(place, Side::Sent, (&old["requestBody"], &new["requestBody"]));
        for (status, response) in fields(&old["responses"]) {
            match new["responses"].get(status) {
                None => self.say(place, &format!("the answer {status} is gone")),
                Some(now) => {
                    let both = (followed(self.old, response), followed(self.new, now));
                    self.contents(&format!("{place} {status}"), Side::Read, both);
                }
            }
        }
    }

    fn contents(&mut self, place: &str, side: Side, (old, new): (&'a Value, &'a Value)) {
        for (media, content) in fields(&old["content"]) {
            match new["content"].get(media) {
                None => self.say(place, &format!("{media} is gone")),
                Some(now) => self.schema(place, side, (&content["schema"], &now["schema"]), 0),
            }
        }
    }

    fn schema(
        &mut self,
        place: &str,
        side: Side,
        (old, new): (&'a Value, &'a Value),
        depth: usize,
    ) {
        let (old_at, new_at) = (old.get("$ref"), new.get("$ref"));
        if depth > DEPTH_MAX || !self.is_first(side, old_at, new_at) {
            return;
        }
        let (old, new) = (followed(self.old, old), followed(self.new, new));
        if let (Some(was), Some(is)) = (old.get("type"), new.get("type"))
            && was != is
        {
            self.say(place, &format!("is {is}, and was {was}"));
        }
        self.values(place, (old, new));
        self.required(place, side, (old, new));
        if side == Side::Sent {
            self.bounds(place, (old, new));
        }
        self.forms(place, side, (old, new), depth);
        for (name, was) in fields(&old["properties"]) {
            let place = format!("{place} .{name}");
            match new["properties"].get(name) {
                None => self.say(&place, "is gone"),
                Some(is) => self.schema(&place, side, (was, is), depth + 1),
            }
        }
        for (keyword, shown) in [("items", "[]"), ("additionalProperties", "{}")] {
            if let (Some(was), Some(is)) = (old.get(keyword), new.get(keyword)) {
                self.schema(&format!("{place} {shown}"), side, (was, is), depth + 1);
            }
        }
    }

    /// The forms that something may have are told apart by where they stand.
    fn forms(&mut self, place: &str, side: Side, (old, new): (&'a Value, &'a Value), depth: usize) {
        for keyword in ["anyOf", "oneOf", "allOf"] {
            let (was, is) = (items(old, keyword), items(new, keyword));
            // What is left of words is looked at one by one.
            if constants(old).is_empty() && is.len() < was.len() {
                self.say(place, "one of its forms is gone");
            }
            for (nth, (was, is)) in was.iter().zip(is).enumerate() {
                self.schema(&format!("{place} ({nth})"), side, (was, is), depth + 1);
            }
        }
    }

    /// What could be sent can still be sent.
    fn bounds(&mut self, place: &str, (old, new): (&Value, &Value)) {
        for keyword in ["maxLength", "maxItems", "maxProperties", "maximum"] {
            if let Some(is) = bound(new, keyword)
                && bound(old, keyword).is_none_or(|was| is < was)
            {
                self.say(place, &format!("its {keyword} is {is} from now on"));
            }
        }
        for keyword in ["minLength", "minItems", "minProperties", "minimum"] {
            if let Some(is) = bound(new, keyword)
                && bound(old, keyword).is_none_or(|was| is > was)
            {
                self.say(place, &format!("its {keyword} is {is} from now on"));
            }
        }
        if let Some(pattern) = new.get("pattern").filter(|it| old.get("pattern") != Some(it)) {
            self.say(place, &format!("it matches {pattern} from now on"));
        }
    }

    /// What both refer to is compared once for each side.
    fn is_first(&mut self, side: Side, old: Option<&Value>, new: Option<&Value>) -> bool {
        let (Some(old), Some(new)) = (old, new) else { return true };
        self.seen.insert((side, format!("{old} {new}")))
    }

    fn required(&mut self, place: &str, side: Side, (old, new): (&Value, &Value)) {
        let (was, is) = (items(old, "required"), items(new, "required"));
        match side {
            Side::Sent => {
                for name in is.iter().filter(|name| !was.contains(name)) {
                    self.say(place, &format!("{name} has to be sent"));
                }
            }
            Side::Read => {
                for name in was.iter().filter(|name| !is.contains(name)) {
                    self.say(place, &format!("{name} may be missing"));
                }
            }
        }
    }

    /// Values that somebody sends have to stay; so do those that somebody has learned to read.
    fn values(&mut self, place: &str, (old, new): (&Value, &Value)) {
        let is = constants(new);
        for value in constants(old).iter().filter(|value| !is.contains(value)) {
            self.say(place, &format!("the value {value} is gone"));
        }
    }
}

/// A bound, also one that follows from the size of a number.
fn bound(schema: &Value, keyword: &str) -> Option<f64> {
    let implied = || match keyword {
        "maximum" => largest(schema.as_object()?),
        _ => None,
    };
    let said = schema.get(keyword).and_then(Value::as_f64);
    #[expect(clippy::cast_precision_loss, reason = "it is compared with others of its like")]
    said.or_else(|| implied().map(|largest| largest as f64))
}

/// Those of the changes that nobody has allowed, and what was allowed for nothing. A line allows
/// itself, or with `*` before it whatever ends so; `#` begins a comment.
pub fn judged<'a>(changes: &'a [String], allowed: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let lines = allowed.lines().map(str::trim);
    let lines: Vec<&str> =
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let fits = |line: &str, change: &str| match line.strip_prefix('*') {
        Some(end) => change.ends_with(end),
        None => change == line,
    };
    let is_new = |change: &&str| !lines.iter().any(|line| fits(line, change));
    let is_idle = |line: &&str| !changes.iter().any(|change| fits(line, change));
    let new = changes.iter().map(String::as_str).filter(is_new).collect();
    (new, lines.iter().copied().filter(is_idle).collect())
}

fn constants(schema: &Value) -> Vec<&Value> {
    let listed = items(schema, "enum").iter();
    // Of words of which some are described, the others stand together.
    let each = items(schema, "oneOf").iter();
    let each = each.flat_map(|it| it.get("const").into_iter().chain(items(it, "enum")));
    listed.chain(each).collect()
}

/// All references of a document that lead nowhere.
pub fn dangling(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look(document, document, &mut found);
    found
}

fn look(document: &Value, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str)
                && document.pointer(reference.trim_start_matches('#')).is_none()
            {
                found.push(reference.to_owned());
            }
            let fields: &Map<String, Value> = fields;
            fields.values().for_each(|value| look(document, value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| look(document, value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests;

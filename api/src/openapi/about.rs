//! What a route takes and gives, for the description.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

/// What operations are grouped by.
pub const TAGS: &[(&str, &str)] = &[
    ("commands", "What can be asked for. Each is one thing under one name everywhere."),
    ("reads", "What is known."),
    ("uploads", "Files of media, sent in pieces (tus 1.0.0)."),
    ("operations", "What became of commands."),
    ("events", "The log."),
    ("sign-in", "Who somebody is."),
    ("desktops", "For people who use desktops."),
    ("health", "Whether it works."),
    ("description", "What there is."),
];

/// Everything that is said about one route.
#[derive(Clone, Debug)]
pub struct About {
    pub id: String,
    pub tag: &'static str,
    pub summary: String,
    pub detail: String,
    pub params: Vec<Param>,
    pub takes: Option<Takes>,
    pub gives: Vec<Gives>,
    /// Problems beyond those that follow from how it is guarded.
    pub also: &'static [u16],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum In {
    Path,
    Query,
    Header,
}

#[derive(Clone, Debug)]
pub struct Param {
    pub name: String,
    pub place: In,
    pub required: bool,
    pub what: String,
    pub schema: Value,
    pub example: Value,
}

#[derive(Clone, Debug)]
pub struct Takes {
    pub media: &'static str,
    pub shape: Shape,
    pub required: bool,
    pub example: Value,
}

#[derive(Clone, Debug)]
pub struct Gives {
    pub status: u16,
    pub what: String,
    pub content: Vec<(&'static str, Shape, Option<Value>)>,
    pub headers: Vec<(&'static str, &'static str)>,
}

/// Where a schema comes from.
#[derive(Clone, Copy)]
pub enum Shape {
    Of(fn(&mut SchemaGenerator) -> Schema),
    /// `{"items": [...], "next": ...}`
    PageOf(carrel_projections::Kind),
    OneOf(carrel_projections::Kind),
    /// An operation with what is said beside it.
    OperationNow,
    /// What a command would become, or the operation that it became.
    WouldOrNow,
    /// That a command was accepted, or the operation that it became.
    TakenOrNow,
    /// At most so many.
    ManyOf(fn(&mut SchemaGenerator) -> Schema, usize),
    Text,
    /// A file, or a piece of one.
    Bytes,
    Anything,
}

impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shape(..)")
    }
}

type Generate<'a> = &'a mut dyn FnMut(&mut SchemaGenerator) -> Schema;

impl Shape {
    pub fn of<T: JsonSchema>() -> Self {
        Self::Of(SchemaGenerator::subschema_for::<T>)
    }

    /// `generate` runs what it is given on the document's one generator.
    pub fn schema(self, mut generate: impl FnMut(Generate<'_>) -> Value) -> Value {
        match self {
            Self::Of(of) => generate(&mut |generator| of(generator)),
            Self::OneOf(kind) => generate(&mut |generator| kind.schema(generator)),
            Self::PageOf(kind) => {
                let item = generate(&mut |generator| kind.schema(generator));
                json!({
                    "type": "object",
                    "required": ["items", "next"],
                    "properties": {
                        "items": { "type": "array", "items": item },
                        "next": {
                            "type": ["string", "null"],
                            "description": "The cursor of the next page. Null: this was the last.",
                        },
                    },
                    "additionalProperties": false,
                })
            }
            Self::OperationNow => operation_now(&mut generate),
            Self::WouldOrNow => {
                let would = generate(&mut |it| it.subschema_for::<crate::command::Would>());
                json!({ "anyOf": [would, operation_now(&mut generate)] })
            }
            Self::TakenOrNow => {
                let taken = generate(&mut |it| it.subschema_for::<crate::command::Taken>());
                json!({ "anyOf": [taken, operation_now(&mut generate)] })
            }
            Self::ManyOf(of, most) => {
                let item = generate(&mut |generator| of(generator));
                json!({ "type": "array", "items": item, "maxItems": most })
            }
            Self::Text => json!({ "type": "string" }),
            Self::Bytes => json!({ "type": "string", "format": "binary" }),
            Self::Anything => json!({ "type": "object" }),
        }
    }
}

fn operation_now(generate: &mut impl FnMut(Generate<'_>) -> Value) -> Value {
    let kind = carrel_projections::Kind::Operations;
    let operation = generate(&mut |generator| kind.schema(generator));
    let beside = generate(&mut |it| it.subschema_for::<crate::operation::Beside>());
    json!({ "allOf": [operation, beside] })
}

pub fn about(id: &str, tag: &'static str, summary: &str) -> About {
    About {
        id: id.to_owned(),
        tag,
        summary: summary.to_owned(),
        detail: String::new(),
        params: Vec::new(),
        takes: None,
        gives: Vec::new(),
        also: &[],
    }
}

impl About {
    pub fn detail(mut self, detail: &str) -> Self {
        self.detail = detail.to_owned();
        self
    }

    pub fn param(mut self, param: Param) -> Self {
        self.params.push(param);
        self
    }

    pub fn takes(self, shape: Shape, example: Value) -> Self {
        self.takes_as(JSON, shape, example)
    }

    pub fn takes_as(mut self, media: &'static str, shape: Shape, example: Value) -> Self {
        self.takes = Some(Takes { media, shape, required: true, example });
        self
    }

    pub fn may_take(mut self, shape: Shape, example: Value) -> Self {
        self.takes = Some(Takes { media: JSON, shape, required: false, example });
        self
    }

    pub fn gives(self, status: u16, what: &str, shape: Shape, example: Option<Value>) -> Self {
        self.gives_as(status, what, vec![(JSON, shape, example)])
    }

    pub fn gives_as(
        mut self,
        status: u16,
        what: &str,
        content: Vec<(&'static str, Shape, Option<Value>)>,
    ) -> Self {
        self.gives.push(Gives { status, what: what.to_owned(), content, headers: Vec::new() });
        self
    }

    /// On the answer that was given last.
    pub fn with_header(mut self, name: &'static str, what: &'static str) -> Self {
        if let Some(gives) = self.gives.last_mut() {
            gives.headers.push((name, what));
        }
        self
    }

    pub fn also(mut self, statuses: &'static [u16]) -> Self {
        self.also = statuses;
        self
    }
}

const JSON: &str = "application/json";

fn param(place: In, name: &str, what: &str, schema: Value, example: Value) -> Param {
    let required = place == In::Path;
    Param { name: name.to_owned(), place, required, what: what.to_owned(), schema, example }
}

pub fn path(name: &str, what: &str, example: &str) -> Param {
    let schema = json!({ "type": "string", "minLength": 1, "maxLength": 255 });
    param(In::Path, name, what, schema, example.into())
}

pub fn query(name: &str, what: &str, schema: Value, example: Value) -> Param {
    param(In::Query, name, what, schema, example)
}

pub fn header(name: &str, what: &str, schema: Value, example: Value) -> Param {
    param(In::Header, name, what, schema, example)
}

/// A header without which nothing is done.
pub fn needed(name: &str, what: &str, schema: Value, example: Value) -> Param {
    Param { required: true, ..header(name, what, schema, example) }
}

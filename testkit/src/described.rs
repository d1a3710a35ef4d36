//! What is written down about the model and made from it: schemas, and the pages of refusals.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use carrel_model::command::{self, By};
use carrel_model::event;
use carrel_model::rejection::{Class, Page, Rejection};
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

/// Every file that is made from the model, by its path in the repository.
pub fn files() -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    for about in command::ALL {
        let mut schema = (about.json_schema)(generator());
        schema.insert("title".to_owned(), about.name.into());
        schema.insert("x-carrel-by".to_owned(), who(about.by).into());
        files
            .insert(PathBuf::from(format!("schemas/commands/{}.json", about.name)), pretty(schema));
    }
    for known in event::KNOWN {
        let mut schema = (known.json_schema)(generator());
        schema.insert("title".to_owned(), known.kind.into());
        schema.insert("x-carrel-stream".to_owned(), known.category.into());
        let path = format!("schemas/events/{}.v{}.json", known.kind, known.schema);
        files.insert(PathBuf::from(path), pretty(schema));
    }
    for page in Rejection::pages() {
        files.insert(PathBuf::from(format!("docs/errors/{}.md", page.code)), error_page(page));
    }
    files.insert(PathBuf::from("docs/errors/README.md"), list_of_errors());
    files
}

/// The folders that hold nothing else.
pub const FOLDERS: &[&str] = &["schemas/commands", "schemas/events", "docs/errors"];

/// What lies beside them and is made by the edge: `cargo run -p carrel-api --bin describe-api`.
pub fn is_of_the_edge(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    path.parent().is_some_and(|folder| folder.ends_with("docs/errors"))
        && (name.starts_with("CRL-1") || name == "http.md")
}

pub fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

fn pretty(schema: Schema) -> String {
    let value: Value = schema.to_value();
    format!("{value:#}\n")
}

const fn who(by: By) -> &'static str {
    match by {
        By::Subject => "subject",
        By::Operator => "operator",
        By::Admin => "admin",
        By::System => "system",
    }
}

const fn status(class: Class) -> (u16, &'static str) {
    match class {
        Class::Malformed => (400, "Bad Request"),
        Class::Forbidden => (403, "Forbidden"),
        Class::Unknown => (404, "Not Found"),
        Class::Conflict => (409, "Conflict"),
        Class::Stale => (412, "Precondition Failed"),
    }
}

fn error_page(page: &Page) -> String {
    let mut out = String::new();
    let (number, reason) = status(page.class);
    let _ = writeln!(out, "# {}: {}\n", page.code, page.title());
    let _ = writeln!(out, "Status {number} ({reason}). The message:\n\n> {}\n", page.message);
    let _ = writeln!(out, "## When it happens\n\n{}\n", lines(page.meaning));
    let _ = writeln!(out, "## What clears it\n\n{}", page.clears);
    out
}

/// Comments are wrapped; pages have one sentence a line.
fn lines(meaning: &str) -> String {
    let text = meaning.split_whitespace().collect::<Vec<_>>().join(" ");
    text.replace(". ", ".\n")
}

fn list_of_errors() -> String {
    let mut out = String::from(
        "# Why a command is refused\n\nEach refusal has a code that never changes its meaning.\nWhat the HTTP edge itself refuses is in [http.md](http.md).\n\n",
    );
    let _ = writeln!(out, "| code | status | what |\n|---|---|---|");
    let pages: BTreeSet<_> =
        Rejection::pages().map(|page| (page.code, status(page.class).0, page.title())).collect();
    for (code, status, what) in pages {
        let _ = writeln!(out, "| [{code}]({code}.md) | {status} | {what} |");
    }
    out
}

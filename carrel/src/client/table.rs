//! Things as a table that fits a terminal.

use carrel_projections::Kind;
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde_json::Value;

/// What is worth a column, most worth first.
const fn columns(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Hypervisors => {
            &["name", "state", "machines_on", "maintenance", "memory_mib", "vcpus"]
        }
        Kind::Storages => &["name", "medium", "roles", "free_mib", "low_on_space"],
        Kind::Networks => &["name", "isolated", "no_spoofing"],
        Kind::Media => &["name", "kind", "format", "storage", "size_bytes"],
        Kind::Templates => &["name", "disk_gib"],
        Kind::Machines => &["name", "kind", "state", "pool", "hypervisor", "image", "maintenance"],
        Kind::Images => &["name", "initial", "number", "state", "tags"],
        Kind::Pools => &["name", "mode", "machines", "ready", "running", "leased", "clients"],
        Kind::Clients => &["name", "provider", "blocked"],
        Kind::Groups => &["name", "provider", "members"],
        Kind::Labs => &["name", "pools", "max_instances"],
        Kind::Terminals => &["name", "lab", "class"],
        Kind::Sessions => &["id", "client", "state", "pool", "machine", "protocol", "place"],
        Kind::Operations => &["id", "name", "state", "done", "failed", "total", "created_at"],
        Kind::Admins => &["name", "roles"],
    }
}

pub(super) fn of(kind: Kind, items: &[Value]) -> Table {
    let has = |column: &&&str| items.iter().any(|item| !value(item, column).is_null());
    let columns: Vec<&&str> = columns(kind).iter().filter(has).collect();
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(columns.iter().map(|column| column.replace('_', " ").to_uppercase()));
    for item in items {
        table.add_row(columns.iter().map(|column| cell(value(item, column))));
    }
    table
}

/// People read names; an id is for what has none.
fn value<'a>(item: &'a Value, column: &str) -> &'a Value {
    match &item[format!("{column}_name")] {
        Value::Null => &item[column],
        name @ (Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_)) => name,
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.chars().filter(|char| !char.is_control()).collect(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Array(all) => all.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(named) => match named.get("name").or_else(|| named.get("id")) {
            Some(name) => cell(name),
            None => value.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_that_nothing_has_are_left_out() {
        let items = [
            json!({ "name": "a", "state": "off", "pool": "0198", "pool_name": "room" }),
            json!({ "name": "b\u{1b}[2J" }),
        ];
        let table = of(Kind::Machines, &items).to_string();
        let lines: Vec<_> =
            table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
        assert_eq!(
            lines,
            [vec!["NAME", "STATE", "POOL"], vec!["a", "off", "room"], vec!["b[2J", "-", "-"]]
        );
    }
}

use serde_json::json;

use super::*;

fn document() -> Value {
    json!({
        "paths": { "/a": { "post": {
            "x-roles": ["viewer", "admin"],
            "parameters": [{ "name": "dry_run", "in": "query" }],
            "requestBody": { "required": true, "content": { "application/json": {
                "schema": { "$ref": "#/components/schemas/A" },
            } } },
            "responses": { "200": { "content": { "application/json": {
                "schema": { "$ref": "#/components/schemas/B" },
            } } } },
        } } },
        "components": { "schemas": {
            "A": { "type": "object", "required": ["name"], "properties": {
                "name": { "type": "string" }, "kind": { "enum": ["x", "y"] },
            } },
            "B": { "type": "object", "required": ["id"], "properties": {
                "id": { "type": "string" }, "inner": { "$ref": "#/components/schemas/A" },
            } },
        } },
    })
}

#[track_caller]
fn breaks(pointer: &str, to: Value, what: &str) {
    let mut new = document();
    *new.pointer_mut(pointer).expect("it is there") = to;
    let found = changes(&document(), &new);
    assert!(found.iter().any(|it| it.contains(what)), "{found:?}");
}

#[test]
fn what_is_the_same_or_only_more_breaks_nobody() {
    assert_eq!(changes(&document(), &document()), Vec::<String>::new());
    let mut new = document();
    new["components"]["schemas"]["B"]["properties"]["more"] = json!({ "type": "string" });
    new["components"]["schemas"]["A"]["properties"]["kind"]["enum"] = json!(["x", "y", "z"]);
    new["paths"]["/b"] = json!({ "get": {} });
    assert_eq!(changes(&document(), &new), Vec::<String>::new());
    let described = json!({ "oneOf": [{ "enum": ["x", "y"] }, { "const": "z" }] });
    new["components"]["schemas"]["A"]["properties"]["kind"] = described;
    assert_eq!(changes(&document(), &new), Vec::<String>::new());
}

#[test]
fn what_is_gone_is_found() {
    breaks("/paths", json!({}), "post /a: is gone");
    breaks("/paths/~1a/post/parameters", json!([]), "dry_run is gone");
    breaks("/paths/~1a/post/responses", json!({}), "200 is gone");
    breaks("/paths/~1a/post/x-roles", json!(["admin"]), "\"viewer\" may not do this");
    breaks("/components/schemas/B/properties", json!({}), ".id: is gone");
    breaks("/components/schemas/A/properties/kind/enum", json!(["x"]), "\"y\" is gone");
    breaks("/components/schemas/B/required", json!([]), "\"id\" may be missing");
}

#[test]
fn what_has_to_be_sent_from_now_on_is_found() {
    breaks("/components/schemas/A/required", json!(["name", "kind"]), "\"kind\" has to be sent");
    let more = json!([{ "name": "dry_run", "in": "query", "required": true }]);
    breaks("/paths/~1a/post/parameters", more, "dry_run has to be sent");
}

#[test]
fn another_type_is_found_below_references() {
    breaks("/components/schemas/A/properties/name/type", json!("integer"), ".inner .name: is");
}

#[test]
fn narrower_bounds_of_what_is_sent_are_found() {
    let name = "/components/schemas/A/properties/name";
    let text = |more: (&str, Value)| json!({ "type": "string", more.0: more.1 });
    breaks(name, text(("maxLength", json!(7))), "its maxLength is 7");
    breaks(name, text(("minLength", json!(1))), "its minLength is 1");
    breaks(name, text(("pattern", json!("^a$"))), "it matches \"^a$\"");
    // What is only read may become narrower.
    let mut new = document();
    new["components"]["schemas"]["B"]["properties"]["id"]["maxLength"] = json!(36);
    assert_eq!(changes(&document(), &new), Vec::<String>::new());
    // A number of a size says its largest already.
    let number = |maximum: Value| {
        let mut new = document();
        *new.pointer_mut(name).expect("it is there") =
            json!({ "type": "integer", "format": "uint16", "maximum": maximum });
        new
    };
    let same = changes(&number(json!(65_535)), &number(json!(65_535)));
    assert_eq!(same, Vec::<String>::new());
    assert_eq!(changes(&number(json!(65_535)), &number(json!(9))).len(), 1);
}

#[test]
fn a_form_that_is_gone_or_has_changed_is_found() {
    let forms = |forms: Value| {
        let mut document = document();
        document["components"]["schemas"]["A"]["properties"]["kind"] = json!({ "anyOf": forms });
        document
    };
    let old = forms(json!([{ "type": "string" }, { "type": "integer" }]));
    let found = changes(&old, &forms(json!([{ "type": "string" }])));
    assert!(found.iter().any(|it| it.contains("one of its forms is gone")), "{found:?}");
    let found = changes(&old, &forms(json!([{ "type": "string" }, { "type": "boolean" }])));
    assert!(found.iter().any(|it| it.contains("(1): is \"boolean\"")), "{found:?}");
    assert_eq!(changes(&old, &old), Vec::<String>::new());
}

#[test]
fn what_was_allowed_is_passed_over_and_what_is_idle_is_told() {
    let changes = ["a: is gone".to_owned(), "b: is gone".to_owned(), "c: is new".to_owned()];
    let allowed = "# why\n\na: is gone\n*: is new\nd: is gone\n";
    assert_eq!(judged(&changes, allowed), (vec!["b: is gone"], vec!["d: is gone"]));
    assert_eq!(judged(&changes, "").0.len(), 3);
}

#[test]
fn references_that_lead_nowhere_are_found() {
    assert_eq!(dangling(&document()), Vec::<String>::new());
    let mut broken = document();
    broken["components"]["schemas"]["A"] = json!({ "$ref": "#/components/schemas/C" });
    assert_eq!(dangling(&broken), ["#/components/schemas/C"]);
}

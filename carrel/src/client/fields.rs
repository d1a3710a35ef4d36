//! The arguments of `carrel do <Command>`, as its JSON Schema says.

use std::io::{self, IsTerminal, Read};

use carrel_model::command::{ALL, About, By};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// How a field is given on a command line.
#[derive(Clone, Debug, PartialEq)]
enum Given {
    Text,
    /// Asked for, or read from a file.
    Password,
    Number,
    Switch,
    OneOf(Vec<String>),
    /// Several, each as it says.
    Many(Box<Given>),
    Json,
}

/// Commands that people and automation may ask for.
pub(super) fn asked() -> impl Iterator<Item = &'static About> {
    ALL.iter().filter(|about| about.by != By::System)
}

fn schema(about: &About) -> Value {
    (about.json_schema)(SchemaGenerator::new(SchemaSettings::draft2020_12())).to_value()
}

/// The subcommand of one command.
pub(super) fn subcommand(about: &'static About) -> Command {
    let schema = schema(about);
    let text = described(&schema);
    let (first, _) = text.split_once("\n\n").unwrap_or((text, ""));
    let command = Command::new(about.name).about(first.replace('\n', " "));
    let command = command.long_about(text.to_owned()).arg_required_else_help(false);
    each(&schema)
        .fold(command, |command, (name, field)| command.arg(argument(&schema, name, field)))
}

fn described(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

fn each(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties.map(|(name, field)| (name.as_str(), field))
}

/// `children_of` is `--children-of`.
fn flag(name: &str) -> String {
    name.replace('_', "-")
}

fn argument(schema: &Value, name: &str, field: &Value) -> Arg {
    let given = given(schema, field);
    let of_type = resolved(schema, field);
    let own = described(field);
    let help = if own.is_empty() { described(of_type) } else { own };
    let arg = Arg::new(name.to_owned()).long(flag(name)).help(help.replace('\n', " "));
    match given {
        Given::Text | Given::Password => arg.value_name("TEXT"),
        Given::Number => arg.value_name("NUMBER").allow_negative_numbers(true),
        Given::Switch => {
            let arg = arg.value_name("true|false").num_args(0..=1).require_equals(false);
            arg.default_missing_value("true").value_parser(["true", "false"])
        }
        Given::OneOf(words) => arg.value_parser(PossibleValuesParser::new(words)),
        Given::Many(_) => arg.value_name("LIST").action(ArgAction::Append),
        Given::Json => arg.value_name("JSON"),
    }
}

/// What a reference or a choice between something and nothing stands for.
fn resolved<'a>(schema: &'a Value, mut field: &'a Value) -> &'a Value {
    // References don't go round in circles without a field between them.
    for _ in 0..8 {
        if let Some(name) = field["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap_or_default();
            field = &schema["$defs"][name];
            continue;
        }
        let of_two = field["anyOf"].as_array().filter(|of_two| of_two.len() == 2);
        match of_two.and_then(|of_two| of_two.iter().find(|it| it["type"] != "null")) {
            Some(something) => field = something,
            None => return field,
        }
    }
    field
}

fn given(schema: &Value, field: &Value) -> Given {
    let field = resolved(schema, field);
    if let Some(words) = field["enum"].as_array() {
        return Given::OneOf(words.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    }
    let choices = field["oneOf"].as_array();
    let constants = choices.map(|all| all.iter().map(|it| it["const"].as_str()).collect());
    if let Some(words) = constants.and_then(|words: Option<Vec<_>>| words) {
        return Given::OneOf(words.into_iter().map(str::to_owned).collect());
    }
    match type_of(field) {
        Some("string") if field["format"] == "password" => Given::Password,
        Some("string") => Given::Text,
        Some("integer" | "number") => Given::Number,
        Some("boolean") => Given::Switch,
        Some("array") => Given::Many(Box::new(given(schema, &field["items"]))),
        Some(_) | None => Given::Json,
    }
}

fn type_of(field: &Value) -> Option<&str> {
    match &field["type"] {
        Value::String(one) => Some(one),
        Value::Array(some) => some.iter().filter_map(Value::as_str).find(|it| *it != "null"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// What was said, as the command's data. The error says what is wrong with which argument.
pub(super) fn data(about: &About, matches: &ArgMatches) -> Result<Map<String, Value>, String> {
    let schema = schema(about);
    let mut data = Map::new();
    for (name, field) in each(&schema) {
        let given = given(&schema, field);
        let Ok(Some(said)) = matches.try_get_many::<String>(name) else { continue };
        let said: Vec<&String> = said.collect();
        let value = value(&given, &said).map_err(|why| format!("--{}: {why}", flag(name)))?;
        data.insert(name.to_owned(), value);
    }
    Ok(data)
}

/// Passwords that have to be there and were not given, with what to call them.
pub(super) fn passwords_missing(about: &About, data: &Map<String, Value>) -> Vec<String> {
    let schema = schema(about);
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let missing = required.filter(|name| !data.contains_key(*name));
    let is_password = |name: &&str| given(&schema, &schema["properties"][*name]) == Given::Password;
    missing.filter(is_password).map(str::to_owned).collect()
}

fn value(given: &Given, said: &[&String]) -> Result<Value, String> {
    if let Given::Many(one) = given {
        return said
            .iter()
            .map(|said| many(one, said))
            .collect::<Result<Vec<_>, _>>()
            .map(|all| Value::Array(all.into_iter().flatten().collect()));
    }
    let Some(said) = said.last() else { return Ok(Value::Null) };
    single(given, said)
}

fn many(one: &Given, said: &str) -> Result<Vec<Value>, String> {
    if said.starts_with('[') {
        return serde_json::from_str(said).map_err(|why| why.to_string());
    }
    match one {
        Given::Json | Given::Many(_) => Ok(vec![single(one, said)?]),
        Given::Text | Given::Password | Given::Number | Given::Switch | Given::OneOf(_) => {
            let words = said.split(',').filter(|word| !word.is_empty());
            words.map(|word| single(one, word)).collect()
        }
    }
}

fn single(given: &Given, said: &str) -> Result<Value, String> {
    match given {
        Given::Password if !said.starts_with('@') => Err(
            "whatever stands on a command line can be seen by every user of the machine; put it \
             into a file and say @FILE, or leave it out to be asked for it"
                .to_owned(),
        ),
        Given::Text | Given::Password => content(said).map(Value::String),
        Given::OneOf(_) => Ok(Value::String(said.to_owned())),
        Given::Switch => Ok(Value::Bool(said == "true")),
        Given::Number => {
            let number = serde_json::from_str(said).ok().filter(Value::is_number);
            number.ok_or_else(|| format!("{said} is no number"))
        }
        Given::Json | Given::Many(_) => json(&content(said)?),
    }
}

/// A word needs no quotes.
fn json(said: &str) -> Result<Value, String> {
    let is_json = said.starts_with(['{', '[', '"', '-']) || said.starts_with(char::is_numeric);
    match serde_json::from_str(said) {
        Ok(value) => Ok(value),
        Err(why) if is_json => Err(format!("{why}: {said}")),
        Err(_) => Ok(Value::String(said.to_owned())),
    }
}

/// More than any command takes (1 MiB).
const CONTENT_BYTES_MAX: u64 = 1024 * 1024;

/// What stands there, or what is in the file that is named.
pub(super) fn content(said: &str) -> Result<String, String> {
    let Some(file) = said.strip_prefix('@') else { return Ok(said.to_owned()) };
    let mut text = String::new();
    let read = if file == "-" {
        io::stdin().lock().take(CONTENT_BYTES_MAX).read_to_string(&mut text)
    } else {
        let opened = std::fs::File::open(file);
        opened.and_then(|opened| opened.take(CONTENT_BYTES_MAX).read_to_string(&mut text))
    };
    read.map_err(|why| format!("{file}: {why}"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Asks for a password at the terminal, without showing it.
pub(super) fn ask_password(what: &str) -> Result<String, String> {
    if !io::stdin().is_terminal() {
        return Err(format!("there is no terminal to ask for the {what}; say @FILE or @-"));
    }
    rpassword::prompt_password(format!("{what}: ")).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(name: &str) -> &'static About {
        asked().find(|about| about.name == name).expect("the command")
    }

    fn said(name: &str, arguments: &[&str]) -> Result<Map<String, Value>, String> {
        let words = std::iter::once(name).chain(arguments.iter().copied());
        let matches = subcommand(about(name)).try_get_matches_from(words);
        data(about(name), &matches.map_err(|why| why.to_string())?)
    }

    fn json_of(name: &str, arguments: &[&str]) -> Value {
        Value::Object(said(name, arguments).expect("data"))
    }

    #[test]
    fn each_command_has_arguments_that_clap_accepts() {
        for about in asked() {
            subcommand(about).debug_assert();
        }
    }

    #[test]
    fn words_numbers_switches_and_lists_become_json() {
        let populate = json_of("Populate", &["--initial", "win11", "--count", "30"]);
        assert_eq!(populate, serde_json::json!({ "initial": "win11", "count": 30 }));
        let start = json_of("StartMachine", &["--machines", "a,b", "--machines", "c"]);
        assert_eq!(start, serde_json::json!({ "machines": ["a", "b", "c"] }));
        let on = json_of("SetMaintenance", &["--children-of", "win11", "--on"]);
        assert_eq!(on, serde_json::json!({ "children_of": "win11", "on": true }));
        let off = json_of("SetMaintenance", &["--children-of", "win11", "--on", "false"]);
        assert_eq!(off, serde_json::json!({ "children_of": "win11", "on": false }));
    }

    #[test]
    fn what_is_more_than_a_word_is_json() {
        let then = json_of("Populate", &["--then", r#"{"virtual_snapshot":true}"#]);
        assert_eq!(then, serde_json::json!({ "then": { "virtual_snapshot": true } }));
        let refused = said("Populate", &["--then", "{virtual"]).expect_err("no JSON");
        assert!(refused.starts_with("--then: "), "{refused}");
    }

    #[test]
    fn a_password_never_stands_on_the_command_line() {
        let refused = said("SetClientPassword", &["--client", "anna", "--password", "hunter2"]);
        assert!(refused.expect_err("it is seen").contains("every user"));
        let data = said("SetClientPassword", &["--client", "anna"]).expect("data");
        assert_eq!(passwords_missing(about("SetClientPassword"), &data), ["password"]);
    }

    #[test]
    fn no_number_is_told_so() {
        let refused = said("Populate", &["--count", "many"]).expect_err("no number");
        assert_eq!(refused, "--count: many is no number");
    }
}

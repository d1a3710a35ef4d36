//! `carrel do`: a command, and what becomes of it.

use std::io::{self, Write};

use carrel_model::wire;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use serde_json::{Map, Value, json};

use super::arguments::{Do, How, Server, Shape};
use super::{fields, operation, session};
use crate::failure::{Failure, Outcome};
use crate::output::printed;

impl Args for Do {
    fn augment_args(command: Command) -> Command {
        // Only for whoever asks for it: there are ninety.
        command.about(ABOUT).defer(|command| {
            let command = command
                .long_about(LONG)
                .subcommand_required(true)
                .arg_required_else_help(true)
                .subcommand_value_name("COMMAND")
                .subcommand_help_heading("Commands");
            fields::asked().fold(command, |command, about| {
                let subcommand = How::augment_args(Server::augment_args(fields::subcommand(about)));
                command.subcommand(subcommand)
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

const ABOUT: &str = "Ask for a command: make, change, start or assign something";

const LONG: &str = "\
Ask for a command: make, change, start or assign something

What a command takes follows from its schema: `carrel do Populate --help`. Lists may be given more
than once, or with commas; what is more than a word is JSON. @FILE stands for what is in a file, @-
for standard input. Passwords are asked for, or come from a file: what stands on a command line can
be seen by every user of the machine.

Examples:
  carrel do CreateMachine --name gold --kind source
  carrel do Populate --initial win11 --count 30 --wait
  carrel do AssignClient --client anna --pool room --dry-run";

impl FromArgMatches for Do {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let wrong =
            |why: String| clap::Error::raw(clap::error::ErrorKind::ValueValidation, why + "\n");
        let chosen = matches.subcommand().and_then(|(name, matches)| {
            Some((fields::asked().find(|about| about.name == name)?, matches))
        });
        let Some((about, matches)) = chosen else { return Err(wrong("say a command".to_owned())) };
        let how = How::from_arg_matches(matches)?;
        let mut data = match &how.data {
            Some(said) => object(said).map_err(|why| wrong(format!("--data: {why}")))?,
            None => Map::new(),
        };
        data.extend(fields::data(about, matches).map_err(wrong)?);
        Ok(Self { server: Server::from_arg_matches(matches)?, about, data, how })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn object(said: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(&fields::content(said)?).map_err(|why| why.to_string())
}

pub(crate) fn run(asked: &Do) -> Result<Outcome, Failure> {
    let http = session::signed_in(&asked.server)?;
    let data = complete(asked)?;
    let id = asked.how.id.map(|id| id.to_string());
    let mut headers = Vec::new();
    headers.extend(id.as_deref().map(|id| ("idempotency-key", id)));
    let dry_run = if asked.how.dry_run { "?dry_run=true" } else { "" };
    let path = format!("/v1/commands/{}{dry_run}", asked.about.name);
    let answer = http.post(&path, Some(&data), &headers)?.fine()?;
    if asked.how.wait
        && let Some(operation) = answer["command_id"].as_str()
    {
        return operation::wait(&http, operation, asked.how.output);
    }
    match asked.how.output {
        Shape::Json | Shape::Yaml => printed(&answer, asked.how.output == Shape::Yaml)?,
        Shape::Table if asked.how.dry_run => printed(&answer, true)?,
        Shape::Table => {
            let id = answer["command_id"].as_str().unwrap_or_default();
            writeln!(io::stdout(), "{} is accepted: {id}", asked.about.name)?;
        }
    }
    Ok(Outcome::Fine)
}

/// The data, with the passwords that have to be asked for, and read as the server will read it: a
/// mistake is told before anything is sent.
fn complete(asked: &Do) -> Result<Value, Failure> {
    let mut data = asked.data.clone();
    let name = asked.about.name;
    for password in fields::passwords_missing(asked.about, &data) {
        let typed = fields::ask_password(&password).map_err(Failure::usage)?;
        data.insert(password, Value::String(typed));
    }
    let data = Value::Object(data);
    let command = json!({ "type": name, "data": &data });
    let read = serde_json::from_value::<wire::Command>(command);
    let wrong = || Failure::usage(format!("{name} is not asked for like that"));
    read.map_err(|why| wrong().because(why).next(format!("carrel do {name} --help")))?;
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_is_described_as_its_schema_does() {
        let mut command = Do::augment_args(Command::new("do"));
        command.build();
        for about in fields::asked() {
            let text =
                |it: Option<&Command>| it.and_then(Command::get_about).map(ToString::to_string);
            let shown = text(command.find_subcommand(about.name));
            assert_eq!(shown, text(Some(&fields::subcommand(about))), "{}", about.name);
        }
    }
}

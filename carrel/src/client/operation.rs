//! Waiting for everything that follows from a command.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::arguments::Shape;
use super::http::{Http, pause};
use crate::failure::{Failure, Outcome};
use crate::output::printed;

/// Often enough for a bar that moves.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What an operation's outcome is called while there is none.
const UNDER_WAY: [&str; 2] = ["running", "cancelling"];

pub(super) fn wait(http: &Http, id: &str, shape: Shape) -> Result<Outcome, Failure> {
    let bar = bar();
    let path = format!("/v1/operations/{id}");
    let operation = loop {
        let answer = http.get(&path, &[("min_position", "0")])?;
        // What is accepted is there in a moment.
        if answer.status != 404 {
            let operation = answer.fine()?;
            show(&bar, &operation);
            if !is_under_way(&operation) {
                break operation;
            }
        }
        pause(LOOK_AGAIN);
    };
    bar.finish_and_clear();
    if shape != Shape::Table {
        printed(&operation, shape == Shape::Yaml)?;
    }
    ended(&operation, shape)
}

fn is_under_way(operation: &Value) -> bool {
    operation["state"].as_str().is_some_and(|state| UNDER_WAY.contains(&state))
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let template = "{msg} {bar:30} {human_pos} of {human_len} machines, {eta} left";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn show(bar: &ProgressBar, operation: &Value) {
    let number = |name: &str| operation[name].as_u64().unwrap_or_default();
    bar.set_length(number("total"));
    bar.set_position(number("done") + number("failed"));
    bar.set_message(operation["name"].as_str().unwrap_or_default().to_owned());
}

fn ended(operation: &Value, shape: Shape) -> Result<Outcome, Failure> {
    let text = |name: &str| operation[name].as_str().unwrap_or_default();
    let number = |name: &str| operation[name].as_u64().unwrap_or_default();
    let (name, state) = (text("name"), text("state"));
    let (succeeded, failed, total) = (number("done"), number("failed"), number("total"));
    if state == "succeeded" {
        if shape == Shape::Table {
            let of = if total > 0 {
                format!(": {succeeded} of {total} machines")
            } else {
                String::new()
            };
            writeln!(io::stdout(), "{name} is done{of}")?;
        }
        return Ok(Outcome::Fine);
    }
    let what = format!(
        "{name} {}: {succeeded} of {total} machines, {failed} failed",
        state.replace('_', " ")
    );
    let id = text("id");
    let next = match state {
        "partially_failed" | "failed" => format!(
            "why: carrel get operations {id} -o yaml; those again: carrel do RetryOperation --operation {id}"
        ),
        _ => format!("carrel get operations {id} -o yaml"),
    };
    Err(Failure::new(what).next(next))
}

//! Says what would break a program that was written against an older description of the API:
//! `api-breaks OLD NEW ALLOWED`. It ends with 1 when something breaks that is not allowed.

use std::process::ExitCode;
use std::{env, fs, io};

use carrel_api::openapi::breaking::{changes, judged};
use serde_json::Value;

const USAGE: &str = "api-breaks OLD NEW ALLOWED";

#[expect(clippy::print_stdout, reason = "says what it has found")]
fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [old, new, allowed] = arguments.as_slice() else {
        println!("{USAGE}");
        return Ok(ExitCode::from(2));
    };
    let changes = changes(&read(old)?, &read(new)?);
    let allowed = fs::read_to_string(allowed)?;
    let (broken, idle) = judged(&changes, &allowed);
    for change in &broken {
        println!("breaks: {change}");
    }
    for line in idle {
        println!("allowed, and not there: {line}");
    }
    println!("{} changes, {} of them not allowed", changes.len(), broken.len());
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(path: &str) -> io::Result<Value> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

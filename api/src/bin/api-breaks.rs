//! Says what would break a program that was written against an older description of the API:
//! `api-breaks NEW ALLOWED OLD...`. It ends with 1 when something breaks that is not allowed, or is
//! allowed and doesn't.

use std::process::ExitCode;
use std::{env, fs, io};

use carrel_api::openapi::breaking::{changes, judged};
use serde_json::Value;

const USAGE: &str = "api-breaks NEW ALLOWED OLD...";

#[expect(clippy::print_stdout, reason = "says what it has found")]
fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [new, allowed, old @ ..] = arguments.as_slice() else {
        println!("{USAGE}");
        return Ok(ExitCode::from(2));
    };
    let (new, allowed) = (read(new)?, fs::read_to_string(allowed)?);
    let mut all = Vec::new();
    for old in old {
        all.extend(changes(&read(old)?, &new));
    }
    all.sort();
    all.dedup();
    let (broken, idle) = judged(&all, &allowed);
    for change in &broken {
        println!("breaks: {change}");
    }
    for line in &idle {
        println!("allowed, and not there: {line}");
    }
    println!("{} changes, {} of them not allowed", all.len(), broken.len());
    let is_fine = broken.is_empty() && idle.is_empty();
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(path: &str) -> io::Result<Value> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

//! Runs seeds of the simulation, says which fail, and how long it took.

use std::ops::Range;
use std::process::ExitCode;

use carrel_simulation::{How, Report, simulate};
use clap::Parser;

/// Runs Carrel with everything that can go wrong, from seeds.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which seeds, such as 0..300: the last one is not among them.
    #[arg(long, value_parser = range, default_value = "0..100")]
    seeds: Range<u64>,
    /// Only this one.
    #[arg(long)]
    seed: Option<u64>,
    /// Prints every fact as it comes.
    #[arg(long)]
    trace: bool,
    /// Leaves rows out.
    #[arg(long)]
    without_rows: bool,
    /// Ends with the first seed that fails.
    #[arg(long)]
    first: bool,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("it is written as 0..300")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
    Ok(number(from)?..number(to)?)
}

#[expect(clippy::print_stdout, reason = "that is what it is for")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seeds = arguments.seed.map_or(arguments.seeds, |seed| seed..seed + 1);
    let how = How { with_rows: !arguments.without_rows, prints: arguments.trace };
    let (mut failed, mut runs, mut all) = (Vec::new(), 0_u64, Report::default());
    for seed in seeds {
        runs += 1;
        match simulate(seed, how) {
            Ok(report) => {
                if arguments.seed.is_some() {
                    println!("{report:#?}");
                }
                add(&mut all, &report);
            }
            Err(failure) => {
                println!("{failure}\n");
                failed.push(seed);
                if arguments.first {
                    break;
                }
            }
        }
    }
    println!("{runs} runs, {} failed: {failed:?}", failed.len());
    println!(
        "facts {}, commands {:?}, kills {:?}, effects {}, hours {}",
        all.facts,
        all.commands,
        all.kills,
        all.effects,
        all.passed.as_secs() / 3_600
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn add(all: &mut Report, one: &Report) {
    all.facts += one.facts;
    all.effects += one.effects;
    all.passed += one.passed;
    for (sum, count) in all.commands.iter_mut().zip(one.commands) {
        *sum += count;
    }
    for (part, count) in &one.kills {
        *all.kills.entry(*part).or_default() += count;
    }
}

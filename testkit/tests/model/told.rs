//! What fuzzing found worth keeping is told again.

use std::fs;
use std::path::Path;

use carrel_model::command::Command;
use carrel_testkit::commands::Commands;
use carrel_testkit::random::Random;
use carrel_testkit::sealing::TestSeal;
use carrel_testkit::told::{read, tell};

#[test]
fn the_corpus_panics_nowhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/decide");
    let mut files = 0;
    for entry in fs::read_dir(folder).expect("the corpus") {
        let path = entry.expect("an entry").path();
        let commands = fs::read(&path).expect("a file");
        // One that is read no longer takes all that follow it with it.
        let lines = commands.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
        let path = path.display();
        assert_eq!(read(&commands).count(), lines, "{path} has a line that is no command");
        tell(&commands);
        files += 1;
    }
    assert!(files > 0, "the corpus is empty");
}

/// Commands of any kind, also those of the system, one after the other.
#[test]
fn whatever_is_told_panics_nowhere() {
    let commands = Commands::default();
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let mut told = Vec::new();
        for _ in 0..60 {
            // Made up for the fleet that the others made.
            let fleet = tell(&told);
            let Some(command) = commands.any(&fleet, &mut random) else { continue };
            let Ok(command): Result<Command, _> =
                command.seal(&mut TestSeal { fleet: &fleet, random: &mut random });
            told.extend(serde_json::to_vec(&command).expect("JSON"));
        }
    }
}

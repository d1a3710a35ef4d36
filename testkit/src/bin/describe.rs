//! Writes what is made from the model: schemas, the pages of refusals, golden files of facts that
//! have none yet, and what freezes them. Run it in the repository after a change of commands, facts
//! or refusals: `cargo run -p carrel-testkit --bin describe`.

use std::path::Path;
use std::{fs, io};

use carrel_testkit::{described, facts, frozen};

#[expect(clippy::print_stdout, reason = "says what it does")]
fn main() -> io::Result<()> {
    let files = described::files();
    for folder in described::FOLDERS {
        fs::create_dir_all(folder)?;
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if !files.contains_key(&path) {
                println!("removes {}", path.display());
                fs::remove_file(path)?;
            }
        }
    }
    for (path, text) in files {
        write(&path, &text, true)?;
    }
    for (path, text) in facts::missing(Path::new(facts::FOLDER)) {
        write(&path, &text, false)?;
    }
    let golden = Path::new(facts::FOLDER);
    write(&golden.join(frozen::FILE), &frozen::with_new(golden), true)
}

/// Golden files are written once.
#[expect(clippy::print_stdout, reason = "says what it does")]
fn write(path: &Path, text: &str, again: bool) -> io::Result<()> {
    let current = fs::read_to_string(path).ok();
    if current.as_deref() == Some(text) || (current.is_some() && !again) {
        return Ok(());
    }
    println!("writes {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

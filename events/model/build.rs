//! Tells the model which one it is: a hash of its sources, so that nobody takes another model's
//! cache for its own.

use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::{fs, io};

fn main() -> io::Result<()> {
    let mut sources = Vec::new();
    gather(Path::new("src"), &mut sources)?;
    sources.sort();
    let mut hasher = DefaultHasher::new();
    for source in sources {
        hasher.write(source.as_os_str().as_encoded_bytes());
        hasher.write(&fs::read(&source)?);
    }
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rustc-env=CARREL_MODEL={:016x}", hasher.finish());
    Ok(())
}

fn gather(folder: &Path, sources: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, sources)?;
        } else {
            sources.push(path);
        }
    }
    Ok(())
}

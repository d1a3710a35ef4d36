//! What a data directory is for. A site whose machines are real is never answered for by simulated
//! hosts, nor the other way round; and the host that this machine is stays the same under whatever
//! name.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use clap::ValueEnum;

use crate::config::Driver;
use crate::failure::Failure;

/// Holds the driver's name and nothing else.
const DRIVER_FILE: &str = "driver";

/// From the first start on it is the driver of this directory.
pub(super) fn to_driver(data: &Path, driver: Driver) -> Result<(), Failure> {
    let name = driver.to_possible_value().map(|it| it.get_name().to_owned()).unwrap_or_default();
    match kept(data, DRIVER_FILE)? {
        None => keep(data, DRIVER_FILE, &name),
        Some(there) if there == name => Ok(()),
        Some(there) => {
            let data = data.display();
            let what = format!("the hosts of {data} are those of the driver {there}, not {name}");
            let next = format!("say --driver {there}, or name another directory with --data");
            Err(Failure::usage(what).next(next))
        }
    }
}

/// What a file of one line says. Nothing: there is none.
pub(super) fn kept(data: &Path, name: &str) -> Result<Option<String>, Failure> {
    match fs::read_to_string(data.join(name)) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let path = data.join(name);
            Err(Failure::new(format!("{} can't be read", path.display())).because(error))
        }
    }
}

/// Whole and durable, or not at all.
pub(super) fn keep(data: &Path, name: &str, line: &str) -> Result<(), Failure> {
    let (path, part) = (data.join(name), data.join(format!(".{name}.part")));
    let written = || {
        let mut file = File::create(&part)?;
        writeln!(file, "{line}")?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        File::open(data)?.sync_all()
    };
    let failed =
        |why: io::Error| Failure::new(format!("{} can't be written", path.display())).because(why);
    written().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_stays_with_its_first_driver() {
        let folder = tempfile::tempdir().expect("a folder");
        to_driver(folder.path(), Driver::Libvirt).expect("the first");
        to_driver(folder.path(), Driver::Libvirt).expect("the same");
        let refused = to_driver(folder.path(), Driver::Sim).expect_err("another");
        assert!(format!("{refused:?}").contains("--driver libvirt"), "{refused:?}");
    }
}

//! What machines take on their storages: the blocks of their files, as their file systems count
//! them, whatever a guest sees of its disk.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use carrel_model::contract::Taken;
use carrel_model::ids::MachineId;
use carrel_model::name::HostPath;

use crate::place::{machine_folder, throwaway_folder};
use crate::trouble::Trouble;

/// POSIX, `st_blocks`.
const BLOCK: u64 = 512;

pub(super) fn taken(machines: &[MachineId], storages: &[HostPath]) -> Result<Vec<Taken>, Trouble> {
    let sum = |folder: &str| {
        let all = storages.iter().map(|storage| below(&Path::new(storage.as_str()).join(folder)));
        all.sum::<io::Result<u64>>()
    };
    let of = |machine: &MachineId| {
        Ok(Taken {
            machine: *machine,
            kept_bytes: sum(&machine_folder(*machine))?,
            thrown_away_bytes: sum(&throwaway_folder(*machine))?,
        })
    };
    let taken: io::Result<_> = machines.iter().map(of).collect();
    taken.map_err(|error| Trouble::again("storage", &error.to_string()))
}

/// What goes while it is looked at is gone.
fn below(folder: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut bytes = 0;
    for entry in entries {
        match entry.and_then(|entry| entry.metadata()) {
            Ok(about) if about.is_file() => bytes += about.blocks() * BLOCK,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use carrel_model::ids::FromUuid;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn holes_take_nothing_and_what_is_thrown_away_is_told_apart() {
        let folder = tempfile::tempdir().expect("a folder");
        let machine = MachineId::from_uuid(Uuid::from_u128(7));
        let place = |name: &str| folder.path().join(name);
        for name in [machine_folder(machine), throwaway_folder(machine)] {
            fs::create_dir_all(place(&name)).expect("made");
        }
        let sparse = fs::File::create(place(&machine_folder(machine)).join("sparse"));
        sparse.and_then(|file| file.set_len(1 << 30)).expect("made");
        fs::write(place(&throwaway_folder(machine)).join("full"), vec![7; 1 << 20]).expect("made");
        let storage = HostPath::new(folder.path().to_str().expect("UTF-8")).expect("a path");
        let other = MachineId::from_uuid(Uuid::from_u128(8));
        let taken = taken(&[machine, other], &[storage]).expect("looked at");
        assert!(taken[0].kept_bytes < 1 << 20, "{taken:?}");
        assert!(taken[0].thrown_away_bytes >= 1 << 20, "{taken:?}");
        assert_eq!((taken[1].kept_bytes, taken[1].thrown_away_bytes), (0, 0));
    }
}

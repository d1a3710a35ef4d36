//! Storages of this host. Each has a file in its root from its first use on: a folder without it
//! that was used before is where something is not mounted, and nothing is made there.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::place::Root;
use crate::step::Step;
use crate::trouble::{STORAGE_NOT_MOUNTED, Trouble};

/// In a storage's root.
const MARKER: &str = ".carrel-storage";
const ABOUT: &str = "Carrel keeps disks here. Without this file it takes the folder for one in \
                     which the storage is not mounted.\n";
/// QEMU runs as a user of its own and has to get to the files in it; what is in there is given to
/// it by libvirt, file by file.
const MODE: u32 = 0o711;

/// Why nothing is put onto a storage.
#[derive(Debug, thiserror::Error)]
pub enum Unready {
    #[error(
        "{} was used and has no {MARKER} now: it is not mounted. Mount it; if this is the storage \
         all the same, `touch {}` says so", .0.display(), .0.join(MARKER).display()
    )]
    NotMounted(PathBuf),
    /// What one of them has would be nobody's for the other.
    #[error(
        "{} and {} are one folder under two names, of two storages: remove one of these (RemoveStorage)",
        .0.display(), .1.display()
    )]
    Twice(PathBuf, PathBuf),
    #[error("{} can't be made: {source}", .path.display())]
    Unmade { path: PathBuf, source: io::Error },
}

impl From<Unready> for Trouble {
    fn from(why: Unready) -> Self {
        match why {
            Unready::NotMounted(_) => Self::never(STORAGE_NOT_MOUNTED, &why.to_string()),
            Unready::Twice(..) => Self::never("storage_twice", &why.to_string()),
            Unready::Unmade { .. } => Self::again("file_io", &why.to_string()),
        }
    }
}

/// Those that were used, by their roots.
#[derive(Debug, Default)]
pub struct Storages {
    used: Mutex<BTreeSet<PathBuf>>,
}

impl Storages {
    fn used(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a file lies, of those that were used: the innermost.
    pub(super) fn of(&self, file: &Path) -> Option<PathBuf> {
        let used = self.used();
        let within = used.iter().filter(|root| file.starts_with(root));
        within.max_by_key(|root| root.as_os_str().len()).cloned()
    }

    /// The site has files on a storage. One that is older than its marker is known by them.
    ///
    /// # Errors
    ///
    /// The marker can't be written.
    pub fn holds(&self, root: &Path, files: &[PathBuf]) -> Result<(), Unready> {
        if files.is_empty() {
            return Ok(());
        }
        self.used().insert(root.to_owned());
        let is_there = !root.join(MARKER).exists() && files.iter().any(|file| file.exists());
        if is_there { mark(root) } else { Ok(()) }
    }

    /// It was used, and is not mounted. Nothing is made.
    pub fn is_away(&self, root: &Path) -> bool {
        self.used().contains(root) && !root.join(MARKER).exists()
    }

    /// It is mounted, or made now because it was never used.
    ///
    /// # Errors
    ///
    /// It was used, and is not mounted; it can't be made.
    pub fn ready(&self, root: &Path) -> Result<(), Unready> {
        let mut used = self.used();
        if !root.join(MARKER).exists() {
            if used.contains(root) {
                return Err(Unready::NotMounted(root.to_owned()));
            }
            mark(root)?;
        }
        if let Some(other) = used.iter().find(|other| *other != root && is_same(other, root)) {
            return Err(Unready::Twice(root.to_owned(), other.clone()));
        }
        used.insert(root.to_owned());
        Ok(())
    }
}

/// By a link or a mount. Where that can't be told, they are not.
fn is_same(one: &Path, other: &Path) -> bool {
    let number = |path: &Path| path.metadata().map(|it| (it.dev(), it.ino())).ok();
    number(one).is_some_and(|one| Some(one) == number(other))
}

/// With those above it that are not there, so that QEMU gets through all of them. What somebody
/// else has made keeps its mode: the preflight says whether it does.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_folder(above)?;
    }
    fs::create_dir(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(MODE))
}

fn mark(root: &Path) -> Result<(), Unready> {
    let make = || {
        make_folder(root)?;
        fs::write(root.join(MARKER), ABOUT)?;
        File::open(root)?.sync_all()
    };
    make().map_err(|source| Unready::Unmade { path: root.to_owned(), source })
}

/// Where a step makes or removes files.
pub(super) fn written(step: &Step) -> Vec<&Root> {
    if let Step::MakeDisk { file: to, .. }
    | Step::Copy { to, .. }
    | Step::CopyVersion { to, .. }
    | Step::Import { to, .. }
    | Step::Seal { to, .. } = step
    {
        return vec![&to.root];
    }
    if let Step::Define(definition) | Step::PutConfig(definition) = step {
        return definition.disks.iter().map(|disk| &disk.file.root).collect();
    }
    if let Step::RemoveFiles { files } = step {
        return files.iter().map(|file| &file.root).collect();
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storage_is_made_when_it_is_first_used_and_never_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("a/b");
        let storages = Storages::default();
        assert!(!storages.is_away(&root), "nobody has used it");
        storages.ready(&root).expect("it is made");
        storages.ready(&root).expect("it is there");
        assert!(!storages.is_away(&root));
        for made in [&root, &folder.path().join("a")] {
            let mode = fs::metadata(made).expect("a folder").permissions().mode();
            assert_eq!(mode & 0o777, MODE, "{}", made.display());
        }
        // As under a mount point, and without one.
        fs::remove_file(root.join(MARKER)).expect("removed");
        assert!(storages.is_away(&root) && !Storages::default().is_away(&root));
        let why = storages.ready(&root).expect_err("it is not mounted");
        assert!(why.to_string().contains("not mounted"), "{why}");
        fs::remove_dir_all(&root).expect("removed");
        assert!(matches!(storages.ready(&root), Err(Unready::NotMounted(_))));
        assert!(!root.exists());
    }

    #[test]
    fn a_storage_that_is_older_than_its_marker_is_known_by_its_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let files = [root.join("images/i/1-0.qcow2"), root.join("machines/m")];
        let storages = Storages::default();
        storages.holds(root, &files).expect("nothing is written");
        assert!(matches!(storages.ready(root), Err(Unready::NotMounted(_))));
        fs::create_dir_all(&files[1]).expect("a folder");
        storages.holds(root, &files).expect("it is marked");
        storages.ready(root).expect("it is there");
        // One of which nothing is known is new.
        let other = tempfile::tempdir().expect("a folder");
        storages.holds(other.path(), &[]).expect("nothing is written");
        storages.ready(other.path()).expect("it is made");
    }
}

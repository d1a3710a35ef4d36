//! Whether files can be written where they shall lie, and whose clock stamps them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::{Report, Verdict, What};

const NAME: &str = ".carrel-preflight";
/// Passwords of displays are good for 60 s by the clock of the host.
const SKEW_SECONDS_MAX: u64 = 5;

pub(super) fn report(folders: &[PathBuf], now_unix: u64, report: &mut Report) {
    for folder in folders {
        let shown = folder.display();
        match stamp(folder) {
            Err(error) => {
                report.say(
                    What::Storage,
                    Verdict::Fails,
                    format!("{shown} can't be written: {error}"),
                );
            }
            Ok(written_unix) => {
                report.say(What::Storage, Verdict::Good, format!("{shown} can be written"));
                let skew = written_unix.abs_diff(now_unix);
                let (verdict, detail) = if skew > SKEW_SECONDS_MAX {
                    (Verdict::Fails, format!("what stamps the files of {shown} is {skew} s off"))
                } else {
                    (Verdict::Good, format!("what stamps the files of {shown} agrees"))
                };
                report.say(What::Clock, verdict, detail);
            }
        }
    }
}

/// When a file that is made there says that it was.
fn stamp(folder: &Path) -> io::Result<u64> {
    let path = folder.join(NAME);
    let mut file = File::create(&path)?;
    let written = file.write_all(b"Carrel looks whether it can write here.\n");
    let stamped = written.and_then(|()| file.sync_all()).and_then(|()| file.metadata()?.modified());
    fs::remove_file(&path)?;
    let since = stamped?.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    Ok(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::{Report, Verdict, What, report};

    fn verdicts(folder: &std::path::Path, now_unix: u64) -> Vec<(What, Verdict)> {
        let mut said = Report { items: Vec::new(), virtualization: None };
        report(&[folder.to_owned()], now_unix, &mut said);
        said.items.iter().map(|item| (item.what, item.verdict)).collect()
    }

    #[test]
    fn a_folder_that_is_not_there_and_a_clock_that_is_wrong_are_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let there = verdicts(folder.path(), 1);
        assert_eq!(there, [(What::Storage, Verdict::Good), (What::Clock, Verdict::Fails)]);
        assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0);
        let gone = verdicts(&folder.path().join("gone"), 1);
        assert_eq!(gone, [(What::Storage, Verdict::Fails)]);
    }
}

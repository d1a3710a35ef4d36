//! Everything that qemu-img is ever told.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::disk::{Claim, DiskFile, Format};

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) verb: &'static str,
    pub(crate) arguments: Vec<OsString>,
    /// How large the disk is that it works on.
    pub(crate) virtual_bytes: u64,
    /// The file that it writes to, whose disk may be full.
    pub(crate) writes: Option<&'a Path>,
    /// No file of it becomes larger.
    pub(crate) file_bytes_max: Option<u64>,
    /// It tells how far it is.
    pub(crate) tells: bool,
}

/// Clusters of 64 KiB are QEMU's default. Told, so that another default would change nothing.
const QCOW2_OPTIONS: &str = "compat=1.1,cluster_size=65536,lazy_refcounts=off";
/// How a copy is written. It is made durable as a whole before it has its name, so nothing has to
/// be while it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cache {
    /// Past the page cache, where the file system takes that: a large copy pushes nothing out of
    /// it that guests have use for, and leaves nothing to be written when it is synced.
    None,
    Unsafe,
}

impl Cache {
    const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Unsafe => "unsafe",
        }
    }
}

impl<'a> Call<'a> {
    fn new(verb: &'static str, words: &[&str], virtual_bytes: u64) -> Self {
        let arguments = [verb].iter().chain(words).map(OsString::from).collect();
        let (writes, file_bytes_max, tells) = (None, None, false);
        Self { verb, arguments, virtual_bytes, writes, file_bytes_max, tells }
    }

    fn and(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    fn writing(mut self, path: &'a Path) -> Self {
        self.writes = Some(path);
        self
    }

    /// A file of somebody else's, or our own.
    fn reading(self, from: &Path, claim: Claim) -> Self {
        if claim != Claim::Vhd {
            return self.and("-f").and(claim.driver()).and(from);
        }
        // Files of some programs would have the size of their geometry, which may be less.
        let mut options = OsString::from("driver=vpc,force_size_calc=current_size,file.filename=");
        // A comma would end the name.
        for part in from.as_os_str().as_bytes().split_inclusive(|byte| *byte == b',') {
            options.push(OsStr::from_bytes(part));
            if part.ends_with(b",") {
                options.push(",");
            }
        }
        self.and("--image-opts").and(options)
    }

    /// Into a file that is replaced.
    pub(crate) fn convert(
        (from, claim): (&Path, Claim),
        (to, format): (&'a Path, Format),
        cache: Cache,
        virtual_bytes: u64,
    ) -> Self {
        let words = ["-p", "-t", cache.word(), "-O", format.word()];
        let mut call = Self::new("convert", &words, virtual_bytes);
        if format == Format::Qcow2 {
            call = call.and("-o").and(QCOW2_OPTIONS);
        }
        call.tells = true;
        // A qcow2 file is larger than its disk by its tables: 1/8192, and what is not in use yet.
        call.file_bytes_max = Some(virtual_bytes + virtual_bytes / 1024 + (64 << 20));
        call.reading(from, claim).and(to).writing(to)
    }

    /// How much room a copy of this needs at most, as JSON.
    pub(crate) fn measure((from, claim): (&Path, Claim), to: Format, virtual_bytes: u64) -> Self {
        let words = ["--output=json", "-O", to.word()];
        Self::new("measure", &words, virtual_bytes).reading(from, claim)
    }

    /// To a larger one.
    pub(crate) fn resize(disk: &'a DiskFile, virtual_bytes: u64) -> Self {
        Self::new("resize", &["-q", "-f", disk.format.word()], virtual_bytes)
            .and(&disk.path)
            .and(virtual_bytes.to_string())
            .writing(&disk.path)
    }

    /// What the file reads as stays so. Without a file below it has all of it in itself.
    ///
    /// qemu-img names the file below in the header before it has written the last tables that it
    /// holds in memory. Killed in between, the file would have lost what they tell of. By
    /// `writethrough` each of its writes, of 2 MiB, is in the file and durable before the next.
    pub(crate) fn rebase(path: &'a Path, onto: Option<&DiskFile>, virtual_bytes: u64) -> Self {
        let mut call =
            Self::new("rebase", &["-p", "-t", "writethrough", "-f", "qcow2"], virtual_bytes);
        call = match onto {
            Some(onto) => call.and("-F").and(onto.format.word()).and("-b").and(&onto.path),
            None => call.and("-b").and(""),
        };
        call.tells = true;
        call.and(path).writing(path)
    }

    /// The file below is said to be another one, of the same content. Nothing of it is read.
    pub(crate) fn rename_backing(path: &'a Path, onto: &DiskFile) -> Self {
        let words = ["-q", "-u", "-t", "writeback", "-f", "qcow2", "-F", onto.format.word(), "-b"];
        Self::new("rebase", &words, 0).and(&onto.path).and(path).writing(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(path: &Path) -> Vec<Call<'_>> {
        let odd = Path::new("/a/-o,,x=y z");
        let mut calls = vec![
            Call::rebase(path, None, 1),
            Call::rebase(path, Some(&DiskFile::new(odd, Format::Raw)), 1),
            Call::rename_backing(path, &DiskFile::new(odd, Format::Qcow2)),
        ];
        for claim in Claim::ALL {
            for format in [Format::Raw, Format::Qcow2] {
                calls.push(Call::convert((odd, *claim), (path, format), Cache::None, 1));
                calls.push(Call::measure((odd, *claim), format, 1));
            }
        }
        calls
    }

    #[test]
    fn formats_are_always_told() {
        for call in all(Path::new("/to")) {
            let words: Vec<&str> = call.arguments.iter().filter_map(|it| it.to_str()).collect();
            let has = |word: &str| words.contains(&word);
            let opts = words.iter().any(|word| word.starts_with("driver="));
            assert!(has("-f") || has("--image-opts") && opts, "{words:?}");
            assert!(!has("convert") && !has("measure") || has("-O"), "{words:?}");
            assert!(!has("-b") || has("") || has("-F"), "{words:?}");
            assert!(!has("-U") && !has("--force-share"), "{words:?}");
        }
    }

    #[test]
    fn a_path_is_one_argument_and_never_an_option() {
        for call in all(Path::new("/to")) {
            let odd = call.arguments.iter().filter(|it| it.to_string_lossy().contains("x=y z"));
            assert!(odd.count() <= 1);
            assert!(call.arguments.iter().all(|it| it != "x=y" && it != "z"));
        }
    }
}

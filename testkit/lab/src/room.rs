//! A file system of fixed size, which gets full.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::statvfs;

/// In memory, and for as long as this is there.
#[derive(Debug)]
pub struct Room(PathBuf);

impl Room {
    pub fn of(path: &Path, mib: u32) -> Self {
        fs::create_dir_all(path).expect("a folder");
        let room = Self(path.to_owned());
        room.mount(&["-t", "tmpfs", "-o", &format!("size={mib}m,mode=711"), "tmpfs"]);
        room
    }

    fn mount(&self, options: &[&str]) {
        let mounted = Command::new("mount").args(options).arg(&self.0).status();
        assert!(mounted.is_ok_and(|status| status.success()), "this test takes root, for mounting");
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    pub fn free_mib(&self) -> u64 {
        let stat = statvfs(&self.0).expect("it is mounted");
        (stat.f_bavail * stat.f_frsize) >> 20
    }

    /// Until no more than this is free.
    pub fn fill(&self, free_mib: u64) {
        let mut file = File::options().create(true).append(true).open(self.filler()).expect("open");
        let piece = vec![0; 1 << 20];
        while self.free_mib() > free_mib && file.write_all(&piece).is_ok() {}
        if free_mib == 0 {
            while file.write_all(&[0; 512]).is_ok() {}
        }
    }

    pub fn empty(&self) {
        fs::remove_file(self.filler()).expect("it was filled");
    }

    pub fn grow(&self, mib: u32) {
        self.mount(&["-o", &format!("remount,size={mib}m")]);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

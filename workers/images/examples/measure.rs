//! How fast, beside bare qemu-img: `cargo run --release --example measure -- <folder>`.
//!
//! Ours and theirs take turns, and the median counts. Both make what they make durable: theirs is
//! the same call of qemu-img, then a sync of the file, a rename, and a sync of the folder.

#![expect(clippy::print_stdout, reason = "it is there to print")]
#![expect(clippy::disallowed_methods, reason = "it is there to measure time")]
#![expect(clippy::unwrap_used, reason = "what fails ends it")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use carrel_images::{DiskFile, Images, Unwatched};

const GIB: u64 = 1 << 30;
const ROUNDS: usize = 9;
const OVERLAYS: u32 = 50;

fn main() {
    let folder = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("carrel-images-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let images = Images::default();
    copies(&images, &folder);
    digests(&images, &folder);
    overlays(&images, &folder);
    looks(&images, &folder);
    fs::remove_dir_all(&folder).unwrap();
}

fn qemu_img(words: &[&str]) {
    assert!(Command::new("qemu-img").args(words).output().unwrap().status.success());
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn durable(from: &Path, to: &Path) {
    File::open(from).unwrap().sync_all().unwrap();
    fs::rename(from, to).unwrap();
    File::open(to.parent().unwrap()).unwrap().sync_all().unwrap();
}

fn timed(what: impl FnOnce()) -> Duration {
    let start = Instant::now();
    what();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn in_turn(name: &str, mut ours: impl FnMut(usize), mut theirs: impl FnMut(usize)) {
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        our_times.push(timed(|| ours(round)));
        their_times.push(timed(|| theirs(round)));
    }
    let (ours, theirs) = (median(our_times), median(their_times));
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
    println!("{name}: ours {ours:.2?}, theirs {theirs:.2?}, {ratio:.2}x");
}

/// A disk of 4 GiB with 1 GiB of content that can't be compressed, in pieces, over two files.
fn golden(images: &Images, folder: &Path) -> DiskFile {
    let base = DiskFile::named(folder.join("base.qcow2"));
    let disk = DiskFile::named(folder.join("golden.qcow2"));
    images.make_disk(&base, 4 * GIB, None).unwrap();
    write(&base, 0, 96);
    images.make_disk(&disk, 4 * GIB, Some(&base)).unwrap();
    write(&disk, 96, 128);
    disk
}

fn write(disk: &DiskFile, from: u64, to: u64) {
    let mut words: Vec<String> = vec!["-f".into(), disk.format.word().into()];
    for piece in from..to {
        let at = (piece * 32) << 20;
        words.extend(["-c".into(), format!("write -P {} {at} 8M", 1 + piece % 255)]);
    }
    words.push(text(&disk.path).into());
    assert!(Command::new("qemu-io").args(words).output().unwrap().status.success());
}

fn copies(images: &Images, folder: &Path) {
    let golden = golden(images, folder);
    for ending in ["qcow2", "raw"] {
        let to = DiskFile::named(folder.join(format!("copy.{ending}")));
        let part = folder.join("theirs.part");
        in_turn(
            &format!("copy of 1 GiB in a disk of 4 GiB, to {ending}"),
            |_| {
                images.copy(&golden, &to, &Unwatched).unwrap();
                fs::remove_file(&to.path).unwrap();
            },
            |_| {
                let (from, into) = (text(&golden.path), text(&part));
                qemu_img(&["convert", "-t", "none", "-f", "qcow2", "-O", ending, from, into]);
                durable(&part, &to.path);
                fs::remove_file(&to.path).unwrap();
            },
        );
    }
}

fn digests(images: &Images, folder: &Path) {
    let golden = DiskFile::named(folder.join("golden.qcow2"));
    let times = (0..3).map(|_| timed(|| assert!(images.verify(&golden, &Unwatched).is_ok())));
    let time = median(times.collect());
    println!("digest of 1 GiB in a disk of 4 GiB: {time:.2?}");
}

fn overlays(images: &Images, folder: &Path) {
    let golden = DiskFile::named(folder.join("golden.qcow2"));
    let (ours, theirs) = (folder.join("ours"), folder.join("theirs"));
    fs::create_dir_all(&theirs).unwrap();
    in_turn(
        &format!("{OVERLAYS} overlays"),
        |round| {
            for number in 0..OVERLAYS {
                let disk = DiskFile::named(ours.join(format!("{round}-{number}.qcow2")));
                images.make_disk(&disk, 4 * GIB, Some(&golden)).unwrap();
            }
        },
        |round| {
            for number in 0..OVERLAYS {
                let to = theirs.join(format!("{round}-{number}.qcow2"));
                let part = to.with_extension("part");
                let below = text(&golden.path);
                let words = ["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", below];
                qemu_img(&[&words[..], &[text(&part), "4G"]].concat());
                durable(&part, &to);
            }
        },
    );
    let cpu = own_cpu();
    let alone = timed(|| {
        for number in 0..OVERLAYS * 20 {
            let disk = DiskFile::named(ours.join(format!("alone-{number}.qcow2")));
            images.make_disk(&disk, 4 * GIB, Some(&golden)).unwrap();
        }
    });
    let cpu = own_cpu().saturating_sub(cpu) / (OVERLAYS * 20);
    println!("one overlay: {:.0?}, processor time {cpu:.0?}", alone / (OVERLAYS * 20));
}

/// User and system time of this process, without its children: ticks of 10 ms.
fn own_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let rest = stat.rsplit(") ").next().unwrap();
    let ticks: u64 = rest.split(' ').skip(11).take(2).map(|it| it.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

fn looks(images: &Images, folder: &Path) {
    let folder = folder.join("ours");
    let seen = images.seen(std::slice::from_ref(&folder), &[]).unwrap().len();
    let time = timed(|| drop(images.seen(&[folder], &[]).unwrap()));
    println!("{seen} files looked at: {time:.2?}");
}

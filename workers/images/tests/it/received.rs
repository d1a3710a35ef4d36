//! Files that are sent in pieces: cut, begun again by another process, and never half of one.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;

use carrel_images::{Arrived, Failed, Images, Incoming};
use sha2::{Digest as _, Sha256};

use crate::site::Site;

const BYTES: usize = 300_000;
const NAME: &str = "media/x.iso";
const PART: &str = "media/.x.iso.part";

fn sent() -> Vec<u8> {
    (0..BYTES).map(|at| (at * 7 % 251) as u8).collect()
}

fn incoming(site: &Site) -> Incoming {
    let sha256 = Sha256::digest(sent()).into();
    Incoming { to: site.path(NAME), bytes: BYTES as u64, sha256 }
}

/// Each time by a process that knows nothing of the one before.
fn receive(it: &Incoming, from: usize, bytes: &[u8]) -> Result<Arrived, Failed> {
    let mut pieces = bytes.chunks(10_000).map(<[u8]>::to_vec);
    Images::default().receive(it, from as u64, &mut || pieces.next())
}

#[test]
fn what_arrives_in_pieces_is_the_file_that_was_told_and_stays_so() {
    let site = Site::new();
    let (it, sent) = (incoming(&site), sent());
    assert_eq!(site.images.arrived(&it).unwrap(), None);
    assert!(matches!(receive(&it, 0, &sent), Err(Failed::Missing(_))), "nobody awaits it");
    site.images.await_file(&it, 0).unwrap();
    site.images.await_file(&it, 0).unwrap();
    assert_eq!(site.images.arrived(&it).unwrap(), Some(Arrived::Part(0)));
    assert_eq!(receive(&it, 0, &sent[..123_456]).unwrap(), Arrived::Part(123_456));
    assert_eq!(receive(&it, 123_455, &sent[123_455..]).unwrap(), Arrived::NotFrom(123_456));
    assert_eq!(receive(&it, 0, &sent).unwrap(), Arrived::NotFrom(123_456));
    assert_eq!(site.names(), [PART]);
    assert_eq!(receive(&it, 123_456, &sent[123_456..]).unwrap(), Arrived::All);
    assert_eq!(fs::read(site.path(NAME)).unwrap(), sent);
    assert_eq!(site.names(), [NAME]);
    let mode = fs::metadata(site.path(NAME)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o444);

    // Nothing takes its place.
    assert!(matches!(site.images.await_file(&it, 0), Err(Failed::Differs { .. })));
    assert_eq!(receive(&it, 0, &sent).unwrap(), Arrived::NotFrom(it.bytes));
    assert_eq!(receive(&it, BYTES, &[]).unwrap(), Arrived::All);
    assert!(!site.images.abandon(&it).unwrap());
    assert_eq!(fs::read(site.path(NAME)).unwrap(), sent);
}

#[test]
fn whoever_was_killed_after_the_last_byte_has_a_file_all_the_same() {
    let site = Site::new();
    let it = incoming(&site);
    site.images.await_file(&it, 0).unwrap();
    fs::write(site.path(PART), sent()).unwrap();
    assert_eq!(site.images.arrived(&it).unwrap(), Some(Arrived::All));
    assert_eq!(site.names(), [NAME]);
}

#[test]
fn other_bytes_than_were_told_are_no_file() {
    let site = Site::new();
    let it = incoming(&site);
    site.images.await_file(&it, 0).unwrap();
    let mut other = sent();
    other[200_000] ^= 1;
    assert!(matches!(receive(&it, 0, &other), Err(Failed::OtherBytes(_))));
    assert_eq!(site.names(), Vec::<String>::new());
}

#[test]
fn more_than_was_announced_is_not_taken() {
    let site = Site::new();
    let it = incoming(&site);
    site.images.await_file(&it, 0).unwrap();
    let more = [sent(), vec![0; 1]].concat();
    assert_eq!(receive(&it, 0, &more).unwrap(), Arrived::TooMuch);
    assert!(fs::metadata(site.path(PART)).unwrap().len() <= it.bytes);
    assert_eq!(site.names(), [PART]);
}

#[test]
fn nothing_is_begun_for_which_there_is_no_room() {
    let site = Site::new();
    let it = incoming(&site);
    let free = site.images.free_mib(site.folder.path()).unwrap();
    let refused = site.images.await_file(&it, free + 1);
    assert!(matches!(refused, Err(Failed::NoSpace { .. })), "{refused:?}");
    assert_eq!(site.names(), Vec::<String>::new());
}

#[test]
fn what_nobody_goes_on_to_send_goes_unless_somebody_sends_it() {
    let site = Site::new();
    let it = incoming(&site);
    site.images.await_file(&it, 0).unwrap();
    assert_eq!(site.images.awaited(&site.path("media")).unwrap(), 1);
    assert!(site.images.abandon(&it).unwrap());
    assert_eq!(site.images.awaited(&site.path("media")).unwrap(), 0);
    site.images.await_file(&it, 0).unwrap();
    let leftover = site.images.leftovers(site.folder.path()).unwrap().remove(0);
    let held = File::open(site.path(PART)).unwrap();
    assert!(matches!(site.images.clear(&leftover), Err(Failed::InUse(_))));
    drop(held);
    site.images.clear(&leftover).unwrap();
    assert_eq!(site.names(), Vec::<String>::new());
}

/// Whoever removes the last file of a folder removes the folder, under those who await others.
#[test]
fn a_folder_that_goes_is_made_again_for_what_is_awaited() {
    let site = Site::new();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let to = site.path(&format!("media/{number}.iso"));
            let (it, images) = (Incoming { to, ..incoming(&site) }, &site.images);
            scope.spawn(move || {
                for _ in 0..100 {
                    images.await_file(&it, 0).unwrap();
                    images.remove(std::slice::from_ref(&it.to)).unwrap();
                }
            });
        }
    });
    assert!(site.names().is_empty());
}

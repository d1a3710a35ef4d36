//! `carrel upload`: a file becomes a medium. It goes on where it was, whoever was gone in between.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use carrel_model::media::{Format, Kind};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::arguments::Upload;
use super::get::escaped;
use super::http::{Answer, Http, pause};
use super::{operation, session};
use crate::failure::{Failure, Outcome};
use crate::output::{Counted, progress_bar};

/// What is acknowledged at once: it costs a flush of the disk there, and at most so much is sent
/// again.
const PIECE_BYTES: u64 = 64 << 20;
const READ_BYTES: usize = 1 << 20;
/// A server that is started anew is there again after seconds, a line after minutes.
const TRIES_MAX: u32 = 60;
const TRY_AGAIN: Duration = Duration::from_secs(5);
const TUS: (&str, &str) = ("tus-resumable", "1.0.0");
const OCTETS: (&str, &str) = ("content-type", "application/offset+octet-stream");
/// Nothing is sent before the server has said that it takes it: whoever is refused would go on
/// sending, find the line cut, and not hear why.
const EXPECT: (&str, &str) = ("expect", "100-continue");
/// The file has its place already.
const THERE: &str = "CRL-1027";
/// The server has more of it than was thought, or is still writing.
const NOT_NOW: [&str; 2] = ["CRL-1026", "CRL-1029"];

pub(crate) fn run(asked: &Upload) -> Result<Outcome, Failure> {
    let http = session::signed_in(&asked.server)?;
    let unread = |why: io::Error| {
        Failure::new(format!("{} can't be read", asked.file.display())).because(why)
    };
    let mut file = File::open(&asked.file).map_err(unread)?;
    let bytes = file.metadata().map_err(unread)?.len();
    let name = name(asked)?;
    let digest = digest(&mut file, bytes).map_err(unread)?;
    let medium = medium(&http, asked, &name, (bytes, &digest))?;
    let id = medium["id"].as_str().unwrap_or_default().to_owned();
    let sending = Sending { http: &http, path: format!("/v1/media/{}/file", escaped(&id)), bytes };
    sending.all(&mut file, &asked.file)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{name} is there, and is what was sent.")?;
    writeln!(out, "next: {}", next(asked, &name)?)?;
    Ok(Outcome::Fine)
}

/// What of a file's name can be one of a medium.
fn name(asked: &Upload) -> Result<String, Failure> {
    if let Some(name) = &asked.name {
        return Ok(name.clone());
    }
    let name = asked.file.file_stem().unwrap_or_default().to_string_lossy();
    let allowed = |letter: &char| letter.is_ascii_alphanumeric() || "._-".contains(*letter);
    let name: String = name.chars().filter(allowed).take(63).collect();
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    let unfit = || Failure::usage("the file's name is no name of a medium").next("say --name");
    if starts_well { Ok(name) } else { Err(unfit()) }
}

fn ending(file: &Path) -> String {
    file.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
}

fn kind(asked: &Upload) -> Kind {
    asked.kind.map_or_else(
        || if ending(&asked.file) == "iso" { Kind::Iso } else { Kind::Disk },
        Into::into,
    )
}

/// Of a disk it can't be told from its bytes: a guest may have written whatever it likes there.
fn format(asked: &Upload) -> Result<Format, Failure> {
    let unsaid = || {
        let what = format!("{} does not say in which format it is", asked.file.display());
        Failure::usage(what).next("say --format raw, qcow2, vmdk, vhd or vhdx")
    };
    match (asked.format, kind(asked), ending(&asked.file).as_str()) {
        (Some(format), _, _) => Ok(format.into()),
        (None, Kind::Iso | Kind::Drivers, _) | (None, _, "raw") => Ok(Format::Raw),
        (None, Kind::Disk, "qcow2") => Ok(Format::Qcow2),
        (None, Kind::Disk, "vmdk") => Ok(Format::Vmdk),
        (None, Kind::Disk, "vhd") => Ok(Format::Vhd),
        (None, Kind::Disk, "vhdx") => Ok(Format::Vhdx),
        (None, Kind::Disk, _) => Err(unsaid()),
    }
}

fn digest(file: &mut File, bytes: u64) -> io::Result<String> {
    let bar = progress_bar(Counted::Bytes, "reading");
    bar.set_length(bytes);
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; READ_BYTES]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => {
                hash.update(&buffer[..read]);
                bar.inc(read as u64);
            }
        }
    }
    bar.finish_and_clear();
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The medium of this name. One that is there has to be of the same bytes: then this goes on with
/// its file.
fn medium(
    http: &Http,
    asked: &Upload,
    name: &str,
    (bytes, digest): (u64, &str),
) -> Result<Value, Failure> {
    let path = format!("/v1/media/{}", escaped(name));
    let there = http.get(&path, &[])?;
    if there.status == 404 {
        let data = json!({
            "name": name, "kind": kind(asked), "format": format(asked)?,
            "storage": asked.storage, "size_bytes": bytes, "digest": digest,
        });
        let taken = http.post("/v1/commands/AddMedia", Some(&data), &[])?.fine()?;
        let position = taken["position"].to_string();
        if let Some(id) = taken["command_id"].as_str() {
            operation::wait(http, id, super::arguments::Shape::Table)?;
        }
        return http.get(&path, &[("min_position", &position)])?.fine();
    }
    let medium = there.fine()?;
    if medium["digest"] == digest && medium["size_bytes"] == bytes {
        return Ok(medium);
    }
    let what = format!("{name} is the name of a medium with other bytes");
    Err(Failure::new(what).next("say another --name, or remove that one with RemoveMedia"))
}

struct Sending<'a> {
    http: &'a Http,
    path: String,
    bytes: u64,
}

impl Sending<'_> {
    fn all(&self, file: &mut File, named: &Path) -> Result<(), Failure> {
        let Some(mut at) = self.begin()? else { return Ok(()) };
        let bar = progress_bar(Counted::Bytes, "sending");
        bar.set_length(self.bytes);
        let mut tries = 0;
        while at < self.bytes {
            bar.set_position(at);
            match self.piece(file, at) {
                Ok(next) => (at, tries) = (next, 0),
                Err(Cut::Refused(why)) => return Err(why),
                Err(Cut::Line(why)) => {
                    tries += 1;
                    if tries > TRIES_MAX {
                        let again =
                            format!("carrel upload {} goes on where it was", named.display());
                        return Err(why.next(again));
                    }
                    at = self.where_it_is(&bar, at)?;
                }
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Where it goes on. Nothing: it is there.
    fn begin(&self) -> Result<Option<u64>, Failure> {
        let begun = self.awaits()?;
        if begun.body["code"] == THERE {
            return Ok(None);
        }
        begun.fine()?;
        let at = self.offset()?;
        // A file with nothing in it is whole when it is looked for.
        Ok((at < self.bytes).then_some(at))
    }

    /// Asked again, one that was begun goes on.
    fn awaits(&self) -> Result<Answer, Failure> {
        let length = self.bytes.to_string();
        self.http.post(&self.path, None, &[TUS, ("upload-length", &length)])
    }

    fn offset(&self) -> Result<u64, Failure> {
        let (status, offset) = self.http.head(&self.path, &[TUS], "upload-offset")?;
        let unsaid = || Failure::new(format!("the server does not say how far it is ({status})"));
        offset.and_then(|offset| offset.parse().ok()).ok_or_else(unsaid)
    }

    /// Where it goes on after the line was cut. What was cut may have been a refusal that nobody
    /// heard: it is said here.
    fn where_it_is(&self, bar: &ProgressBar, before: u64) -> Result<u64, Failure> {
        bar.set_message("waiting");
        pause(TRY_AGAIN);
        let asked = self.awaits();
        bar.set_message("sending");
        match asked {
            Ok(answer) if answer.body["code"] == THERE => Ok(self.bytes),
            Ok(answer) if is_final(&answer) => Err(answer.refused()),
            Ok(_) => Ok(self.offset().unwrap_or(before)),
            Err(_) => Ok(before),
        }
    }

    fn piece(&self, file: &mut File, at: u64) -> Result<u64, Cut> {
        let unread = |why: io::Error| Cut::Refused(Failure::from(why));
        file.seek(SeekFrom::Start(at)).map_err(unread)?;
        let from = at.to_string();
        let headers = [TUS, OCTETS, EXPECT, ("upload-offset", from.as_str())];
        let length = PIECE_BYTES.min(self.bytes - at);
        let sent = self.http.patch(&self.path, &headers, &mut file.take(length));
        let answer = sent.map_err(Cut::Line)?;
        match answer.status {
            200..300 => Ok(at + length),
            _ if is_final(&answer) => Err(Cut::Refused(answer.refused())),
            _ => Err(Cut::Line(answer.refused())),
        }
    }
}

/// Whether to try again.
enum Cut {
    Line(Failure),
    Refused(Failure),
}

/// A refusal that would be the same again. What was sent twice, or is still being written, is asked
/// for again.
fn is_final(answer: &Answer) -> bool {
    let not_now = answer.body["code"].as_str().is_some_and(|code| NOT_NOW.contains(&code));
    answer.status >= 300 && !not_now && !matches!(answer.status, 429 | 502..=504)
}

fn next(asked: &Upload, name: &str) -> Result<String, Failure> {
    Ok(match (kind(asked), format(asked)?) {
        (Kind::Iso | Kind::Drivers, _) => {
            format!("carrel do AttachMedia --machine MACHINE --media {name}")
        }
        (Kind::Disk, Format::Raw) => {
            format!("carrel do ImportImage --file {name} --as source --name MACHINE")
        }
        (Kind::Disk, Format::Qcow2 | Format::Vmdk | Format::Vhd | Format::Vhdx) => {
            format!("carrel do ImportImage --file {name} --as source --name MACHINE --size-gib GIB")
        }
    })
}

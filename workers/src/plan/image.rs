//! Files of a version: its digest is computed, further ones are made, retired ones are removed.

use carrel_driver::place::image_file;
use carrel_driver::{Place, Seen, Step};
use carrel_model::ids::ImageId;
use carrel_model::image::Outcome;
use carrel_model::machine::Reported;
use carrel_model::operation::Failure;
use carrel_model::version::latest::image::Stat;
use carrel_model::work::{ImageSpec, NewFile, OldFile};

use super::{Fails, Next, Then, doable};
use crate::entry::Entry;

pub(super) fn look(spec: &ImageSpec, places: &mut Vec<Place>) {
    let made = spec.make.iter().map(|new| &new.file);
    let removed = spec.remove.iter().map(|old| &old.file);
    places.extend(spec.verify.iter().chain(made).chain(removed).filter_map(image_file));
}

pub(super) fn next(image: ImageId, spec: &ImageSpec, seen: &Seen, entry: &Entry) -> Next {
    let case = Files { image, seen, entry };
    let removed = || spec.remove.iter().find_map(|old| case.remove(old));
    let made = || spec.make.iter().find_map(|new| case.make(new));
    removed().or_else(|| case.verify(spec)).or_else(made).unwrap_or(Next::Settled)
}

struct Files<'a> {
    image: ImageId,
    seen: &'a Seen,
    entry: &'a Entry,
}

impl Files<'_> {
    fn said(&self, is: impl Fn(&Outcome) -> bool) -> bool {
        self.entry.said().any(|said| match &said.what {
            Reported::Image { outcome, .. } => is(outcome),
            Reported::Machine { .. } => false,
        })
    }

    fn say(&self, outcome: Outcome) -> Next {
        Next::Say(Reported::Image { id: self.image, outcome })
    }

    fn verify(&self, spec: &ImageSpec) -> Option<Next> {
        let told = spec.verify.first()?;
        let file = image_file(told)?;
        let done = self.said(|outcome| matches!(outcome, Outcome::Verified { .. }));
        // One that is not there says nothing: somebody else is asked when this host is gone. One
        // that is not what was sealed would say what somebody has put there.
        let is_that = |stat: Stat| told.stat.is_none_or(|told| told == stat);
        let is_there = self.seen.file(&file).is_some_and(|there| is_that(there.stat));
        (!done && is_there).then(|| {
            doable(Step::Verify { file }, |it| {
                it.then = Then::SayVerified;
                it.fails = Fails::Nothing;
            })
        })
    }

    fn make(&self, new: &NewFile) -> Option<Next> {
        let file = new.file.file;
        let over = self.said(|outcome| match outcome {
            Outcome::FileMade { file: made, .. } | Outcome::FileFailed { file: made, .. } => {
                *made == file
            }
            Outcome::Verified { .. } | Outcome::FileRemoved { .. } => false,
        });
        if over {
            return None;
        }
        let failed = |code: &str, detail: &str| {
            let failure = Failure::new(code, detail);
            Some(self.say(Outcome::FileFailed { file, failure }))
        };
        let Some(to) = image_file(&new.file) else {
            return failed("storage_unseen", "this host does not see the file's storage");
        };
        let Some(from) = new.from.first().and_then(image_file) else {
            return failed("backing_missing", "no file of the version can be read here");
        };
        let format = new.file.format;
        Some(doable(Step::CopyVersion { from, to, format }, |it| {
            it.then = Then::SayMade(file);
            it.fails = Fails::ImageFile(file);
        }))
    }

    fn remove(&self, old: &OldFile) -> Option<Next> {
        let place = image_file(&old.file)?;
        // Where nothing is mounted, that is what the step fails with.
        if self.seen.has(&place) || self.seen.unmounted.contains(&place.root) {
            let files = vec![place];
            return Some(doable(Step::RemoveFiles { files }, |it| it.fails = Fails::Nothing));
        }
        let gone = Outcome::FileRemoved { file: old.file.file };
        let said = self.said(|outcome| *outcome == gone);
        (!said).then(|| self.say(gone))
    }
}

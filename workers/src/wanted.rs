//! What an order says about steps that are under way, and what is said of steps that are done.

use carrel_driver::{Done, Place, Step};
use carrel_model::contract::Order;
use carrel_model::image;
use carrel_model::machine::{Outcome, Reported};
use carrel_model::work::{FileTask, PowerSpec, Shall, Thing};

use crate::plan::Then;

/// Files that are not there any more when it is done.
pub(crate) fn removed(step: &Step) -> Vec<Place> {
    if let Step::RemoveFiles { files } = step {
        return files.clone();
    }
    if let Step::Seal { from, .. } = step {
        return vec![from.clone()];
    }
    Vec::new()
}

pub(crate) fn epoch(order: &Order) -> u64 {
    match &order.work.shall {
        Shall::Present(spec) => match spec.power {
            PowerSpec::On { boot_epoch, .. }
            | PowerSpec::Suspended { boot_epoch }
            | PowerSpec::Off { boot_epoch, .. } => boot_epoch,
            PowerSpec::AsFound => 0,
        },
        Shall::Woken { boot_epoch, .. } => *boot_epoch,
        Shall::Released | Shall::Absent { .. } | Shall::Files(_) => 0,
    }
}

/// Whether what happens to the machine by itself is its host's to tell.
pub(crate) fn is_told(order: Option<&Order>) -> bool {
    match order.map(|order| &order.work.shall) {
        Some(Shall::Present(spec)) => !matches!(spec.task, Some(FileTask::Migrating { .. })),
        Some(Shall::Released | Shall::Absent { .. }) => false,
        Some(Shall::Woken { .. } | Shall::Files(_)) | None => true,
    }
}

pub(crate) fn wants_the_same(before: &Order, newer: &Order) -> bool {
    match (&before.work.shall, &newer.work.shall) {
        (Shall::Present(before), Shall::Present(newer)) => {
            before.task.is_some() && before.task == newer.task && before.disks == newer.disks
        }
        (Shall::Files(before), Shall::Files(newer)) => {
            (&before.make, &before.verify) == (&newer.make, &newer.verify)
        }
        _ => false,
    }
}

/// With it, everything up to the generation is over.
pub(crate) const fn is_last(what: &Reported) -> bool {
    match what {
        Reported::Machine { outcome, .. } => {
            matches!(outcome, Outcome::Applied | Outcome::Released | Outcome::Absent)
        }
        Reported::Image { .. } => false,
    }
}

pub(crate) fn said(thing: Thing, then: &Then, done: &Done) -> Option<Reported> {
    let of_image = |outcome| match thing {
        Thing::Image(id) => Some(Reported::Image { id, outcome }),
        Thing::Machine(_) => None,
    };
    match (then, done) {
        (Then::LookAgain, _) => None,
        (Then::Say(what), _) => Some(what.clone()),
        (Then::SayVerified, Done::Verified(digest)) => {
            of_image(image::Outcome::Verified { digest: *digest })
        }
        (Then::SayMade(file), Done::Made { digest, stat }) => {
            let (file, digest, stat) = (*file, *digest, *stat);
            of_image(image::Outcome::FileMade { file, digest, stat })
        }
        // A driver that answers something else is asked again.
        (Then::SayVerified | Then::SayMade(_), _) => None,
    }
}

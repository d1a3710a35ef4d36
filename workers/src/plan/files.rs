//! A machine's own disks: made, grown, and put onto the files that they shall stand on.

use carrel_driver::place::{disk_file, image_file, is_beside_disks, is_kept_with, machine_folder};
use carrel_driver::{BACKING_CHANGED, Place, SeenFile, Step};
use carrel_model::ids::MachineId;
use carrel_model::machine::DiskRole;
use carrel_model::operation::Failure;
use carrel_model::work::{DiskSpec, FileTask, ImageFile, PowerSpec};

use super::{Case, Next, doable, is_same, is_within, step, unseen};

pub(super) fn place(machine: MachineId, disk: &DiskSpec) -> Option<Place> {
    disk_file(machine, disk)
}

impl Case<'_> {
    pub(super) fn system_disk(&self) -> Option<&DiskSpec> {
        self.spec.disks.iter().find(|disk| disk.role == DiskRole::System)
    }

    /// What becomes a version, or will stand on one, is not made here; what is copied isn't either.
    fn is_made_by_task(&self, disk: &DiskSpec) -> bool {
        match &self.spec.task {
            // Copies of blank disks are blank, too.
            Some(FileTask::Copying { from, .. }) => !from.is_empty(),
            Some(FileTask::Sealing { .. } | FileTask::Importing { .. }) => {
                disk.role == DiskRole::System
            }
            Some(FileTask::Migrating { .. }) | None => false,
        }
    }

    pub(super) fn files(&self) -> Option<Next> {
        self.spec.disks.iter().find_map(|disk| self.disk(disk))
    }

    fn disk(&self, disk: &DiskSpec) -> Option<Next> {
        let Some(file) = place(self.machine, disk) else {
            return Some(unseen(&format!("disk {}", disk.id)));
        };
        match self.seen.file(&file) {
            None if self.is_made_by_task(disk) || self.is_being_taken(disk) => None,
            None => Some(self.make(disk, file)),
            Some(there) => self.rebase(disk, there).or_else(|| self.grow(disk, there)),
        }
    }

    /// A blank disk in the place of one that was lost would hide that.
    fn make(&self, disk: &DiskSpec, file: Place) -> Next {
        if self.entry.made.iter().any(|made| is_same(made, &file)) || disk.file.is_some() {
            return self.gone(disk, &file);
        }
        let on = match disk.backing.first() {
            None => None,
            Some(top) => match image_file(top) {
                Some(on) if self.seen.has(&on) => Some((on, top.format)),
                Some(on) => {
                    let detail = format!("{on} is not there, on which the disk shall stand");
                    return Next::Fail(Failure::new("backing_missing", &detail));
                }
                None => return unseen("its image"),
            },
        };
        let (format, size_gib) = (disk.format, disk.size_gib);
        let makes = Some(file.clone());
        doable(Step::MakeDisk { file, format, size_gib, on }, |it| it.makes = makes)
    }

    /// What snapshots have kept of it may be all that is left.
    fn gone(&self, disk: &DiskSpec, file: &Place) -> Next {
        let kept: Vec<String> = self.kept_of(disk).map(ToString::to_string).collect();
        let kept = match kept.as_slice() {
            [] => String::new(),
            kept => format!("; what snapshots have kept of it is in {}", kept.join(", ")),
        };
        let detail = format!("the disk's file {file} is gone{kept}");
        Next::Fail(Failure::new("file_missing", &detail))
    }

    /// The lowest of the machine's own files stands on the version; above it are its snapshots.
    fn lowest<'a>(&'a self, top: &'a SeenFile) -> &'a SeenFile {
        let folder = machine_folder(self.machine);
        let mut at = top;
        // Nothing stands on itself, but a driver that says so must not keep us here.
        for _ in 0..self.seen.files.len() {
            let below = at
                .backing
                .as_ref()
                .filter(|below| is_within(below, std::slice::from_ref(&below.root), &folder));
            let below = below
                .and_then(|below| self.seen.files.iter().find(|file| is_same(&file.place, below)));
            match below {
                Some(below) => at = below,
                None => break,
            }
        }
        at
    }

    fn rebase(&self, disk: &DiskSpec, top: &SeenFile) -> Option<Next> {
        let told = disk.backing.first()?;
        let Some(onto) = image_file(told) else { return Some(unseen("its image")) };
        let lowest = self.lowest(top);
        if lowest.backing.as_ref().is_none_or(|backing| is_same(backing, &onto)) {
            return None;
        }
        if self.is_on() {
            return Some(Next::Wait("its disk can be put onto another file when it is off"));
        }
        let (file, format) = (lowest.place.clone(), told.format);
        Some(step(Step::Rebase { file, onto, format }))
    }

    /// What runs grows by the process that writes to it. If that writes elsewhere, what is thrown
    /// away stands on the disk, and nobody may change it.
    fn grow(&self, disk: &DiskSpec, there: &SeenFile) -> Option<Next> {
        if there.size_gib >= disk.size_gib || there.sealed {
            return None;
        }
        let domain = self.seen.domain.as_ref().filter(|domain| domain.state.is_on());
        let writes = |file: &Place| is_same(file, &there.place);
        if domain.is_some_and(|domain| !domain.disks.iter().any(writes)) {
            return Some(Next::Wait("its disk grows when it is off"));
        }
        let file = there.place.clone();
        Some(step(Step::Resize { file, format: disk.format, size_gib: disk.size_gib }))
    }

    /// Nothing starts on a file of a version that is not what was made: it is told by size, time
    /// and number, and by what it reads as.
    pub(super) fn changed_below(&self) -> Option<Next> {
        let below = self.spec.disks.iter().flat_map(|disk| &disk.backing);
        below.into_iter().find_map(|file| self.changed(file))
    }

    /// One that has another time and number, as a backup gives it back, is read: if it reads as the
    /// version, that is remembered, and it may be stood on.
    fn changed(&self, file: &ImageFile) -> Option<Next> {
        let (place, stat) = (image_file(file)?, file.stat?);
        let Some(there) = self.seen.file(&place) else {
            let detail = format!("{place} is not there, on which a disk stands");
            return Some(Next::Fail(Failure::new("backing_missing", &detail)));
        };
        if there.stat == stat || file.digest.is_some() && there.accepted == file.digest {
            return None;
        }
        match file.digest {
            Some(digest) if there.stat.size_bytes == stat.size_bytes => {
                Some(step(Step::Accept { file: place, digest }))
            }
            Some(_) | None => {
                let detail = format!("{place} is not the file that was made for the version");
                Some(Next::Fail(Failure::new(BACKING_CHANGED, &detail)))
            }
        }
    }

    /// Disks of its own that it shall not have any more.
    pub(super) fn tidy(&self) -> Option<Next> {
        if self.spec.power == PowerSpec::AsFound {
            return None;
        }
        let wanted = self.wanted();
        let folder = machine_folder(self.machine);
        let own = |place: &Place| {
            is_within(place, &self.entry.roots, &folder)
                || self.entry.made.iter().any(|made| is_same(made, place))
        };
        let there = self.seen.files.iter().map(|file| &file.place);
        let gone: Vec<Place> = there
            .filter(|place| own(place) && !is_beside_disks(self.machine, place))
            .filter(|place| !is_kept_with(self.machine, place, &wanted))
            .filter(|place| !wanted.iter().any(|it| is_same(it, place)))
            .cloned()
            .collect();
        (!gone.is_empty()).then(|| step(Step::RemoveFiles { files: gone }))
    }

    /// Its disks, those that it may go back to, its snapshots, what runs, and all that any of these
    /// stands on.
    fn wanted(&self) -> Vec<Place> {
        let disks = self.spec.disks.iter().chain(&self.spec.keep);
        let mut wanted: Vec<Place> =
            disks.clone().filter_map(|disk| place(self.machine, disk)).collect();
        for disk in disks {
            if place(self.machine, disk).is_none_or(|file| !self.seen.has(&file)) {
                // A snapshot that was never finished may hold all of it.
                wanted.extend(self.kept_of(disk).cloned());
            }
        }
        let folder = machine_folder(self.machine);
        for snapshot in &self.spec.snapshots {
            let prefix = format!("{folder}{}.", snapshot.id);
            let kept = self.seen.files.iter().map(|file| &file.place);
            wanted.extend(kept.filter(|it| it.file.as_str().starts_with(&prefix)).cloned());
        }
        if let Some(domain) = self.seen.domain.as_ref().filter(|domain| domain.state.is_on()) {
            wanted.extend(domain.disks.iter().cloned());
        }
        self.with_all_below(wanted)
    }

    /// What runs stands on it.
    pub(super) fn is_read(&self, place: &Place) -> bool {
        let domain = self.seen.domain.as_ref().filter(|domain| domain.state.is_on());
        let read = domain.map(|domain| self.with_all_below(domain.disks.clone()));
        read.is_some_and(|read| read.iter().any(|it| is_same(it, place)))
    }

    fn with_all_below(&self, mut wanted: Vec<Place>) -> Vec<Place> {
        let mut at = 0;
        while let Some(place) = wanted.get(at) {
            let file = self.seen.files.iter().find(|file| is_same(&file.place, place));
            if let Some(below) = file.and_then(|file| file.backing.clone())
                && !wanted.iter().any(|it| is_same(it, &below))
            {
                wanted.push(below);
            }
            at += 1;
        }
        wanted
    }
}

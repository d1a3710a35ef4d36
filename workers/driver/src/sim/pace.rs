//! How long things take on simulated hosts.

use std::time::Duration;

use crate::step::StepKind;

/// SplitMix64 (Steele, Lea, Flood 2014): the same seed gives the same site.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    pub(super) const fn chance(&mut self, one_in: u32) -> bool {
        one_in != 0 && self.next().is_multiple_of(one_in as u64)
    }
}

pub(super) const fn mix(number: u64) -> u64 {
    let mut mixed = number;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A time that is usually about this long, and now and then four times as long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span(pub Duration);

/// One time in so many takes four times as long.
const TAIL_ONE_IN: u32 = 64;

impl Span {
    pub const NONE: Self = Self(Duration::ZERO);

    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    pub(super) fn draw(self, random: &mut Random) -> Duration {
        if self.0.is_zero() {
            return Duration::ZERO;
        }
        // 70 to 130 per cent.
        let per_mille = 700 + u32::try_from(random.next() % 600).unwrap_or_default();
        let about = self.0.saturating_mul(per_mille) / 1000;
        if random.chance(TAIL_ONE_IN) { about.saturating_mul(4) } else { about }
    }
}

/// How long steps and guests take.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Cheap work on files: overlays, renames, removals, rebases.
    pub file: Span,
    pub define: Span,
    pub start: Span,
    pub destroy: Span,
    /// Everything else that a monitor is told.
    pub command: Span,
    /// Reading or writing a GiB.
    pub gib: Span,
    /// From power-on until the desktop can be used.
    pub ready: Span,
    pub first_boot: Span,
    /// From the request to shut down or to reboot until the guest has done so.
    pub shutdown: Span,
}

impl Pace {
    /// Nothing takes any time.
    pub const INSTANT: Self = Self {
        file: Span::NONE,
        define: Span::NONE,
        start: Span::NONE,
        destroy: Span::NONE,
        command: Span::NONE,
        gib: Span::NONE,
        ready: Span::NONE,
        first_boot: Span::NONE,
        shutdown: Span::NONE,
    };

    /// As a small host with QEMU 7.2 and libvirt 9.0 was seen to be; guests are quick ones.
    pub const USUAL: Self = Self {
        file: Span::millis(10),
        define: Span::millis(2),
        start: Span::millis(300),
        destroy: Span::millis(200),
        command: Span::millis(5),
        gib: Span::millis(50),
        ready: Span::millis(4_000),
        first_boot: Span::millis(8_000),
        shutdown: Span::millis(2_000),
    };

    /// The same, so many times as fast.
    #[must_use]
    pub fn faster(self, times: u32) -> Self {
        let faster = |span: Span| Span(span.0 / times.max(1));
        Self {
            file: faster(self.file),
            define: faster(self.define),
            start: faster(self.start),
            destroy: faster(self.destroy),
            command: faster(self.command),
            gib: faster(self.gib),
            ready: faster(self.ready),
            first_boot: faster(self.first_boot),
            shutdown: faster(self.shutdown),
        }
    }

    pub(super) const fn of(&self, step: StepKind) -> Span {
        match step {
            StepKind::MakeDisk
            | StepKind::Resize
            | StepKind::Rebase
            | StepKind::Seal
            | StepKind::RemoveFiles
            | StepKind::TakeSnapshot
            | StepKind::RevertSnapshot
            | StepKind::DeleteSnapshot => self.file,
            StepKind::Define | StepKind::Undefine => self.define,
            StepKind::Start => self.start,
            StepKind::Destroy => self.destroy,
            StepKind::Copy
            | StepKind::CopyVersion
            | StepKind::Import
            | StepKind::Verify
            | StepKind::Accept
            | StepKind::Migrate => self.gib,
            StepKind::Shutdown
            | StepKind::Reboot
            | StepKind::Reset
            | StepKind::Suspend
            | StepKind::Resume
            | StepKind::Wake
            | StepKind::ArmDisplay
            | StepKind::CutViewers
            | StepKind::PutConfig
            | StepKind::AttachMedium
            | StepKind::DetachMedium
            | StepKind::ShowMessage
            | StepKind::WakeOnLan => self.command,
        }
    }

    /// It takes as many times as long as there are GiB.
    pub(super) const fn is_by_size(step: StepKind) -> bool {
        matches!(
            step,
            StepKind::Copy
                | StepKind::CopyVersion
                | StepKind::Import
                | StepKind::Verify
                | StepKind::Accept
        )
    }
}

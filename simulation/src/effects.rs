//! What hosts have done, held against what may be done once.

use std::collections::BTreeMap;

use carrel_driver::StepKind;
use carrel_driver::sim::Effects;
use carrel_model::work::Thing;

/// # Panics
/// If a machine was started twice in one epoch, wherever; if a guest was asked twice for one
/// generation; if a file was made again that nobody had removed; or if anything else was done twice
/// for one generation and epoch on one host.
pub(crate) fn check(effects: &Effects, is_lost: impl Fn(&str) -> bool) {
    let mut starts: BTreeMap<(Thing, u64), u32> = BTreeMap::new();
    let mut asked: BTreeMap<(Thing, u64, StepKind), u32> = BTreeMap::new();
    for ((_, doing, step, file), times) in effects {
        match step {
            StepKind::Start => {
                *starts.entry((doing.thing, doing.boot_epoch)).or_default() += times;
            }
            StepKind::Shutdown | StepKind::Reboot | StepKind::ShowMessage => {
                *asked.entry((doing.thing, doing.generation, *step)).or_default() += times;
            }
            // Each time something was there that had to be made first.
            StepKind::RemoveFiles => {}
            StepKind::MakeDisk
            | StepKind::Resize
            | StepKind::Rebase
            | StepKind::Copy
            | StepKind::CopyVersion
            | StepKind::Import
            | StepKind::Seal
            | StepKind::Verify
            | StepKind::Accept
            | StepKind::TakeSnapshot
            | StepKind::RevertSnapshot
            | StepKind::DeleteSnapshot
            | StepKind::Define
            | StepKind::Undefine
            | StepKind::Reset
            | StepKind::Destroy
            | StepKind::Suspend
            | StepKind::Resume
            | StepKind::Wake
            | StepKind::Migrate
            | StepKind::ArmDisplay
            | StepKind::CutViewers
            | StepKind::PutConfig
            | StepKind::AttachMedium
            | StepKind::DetachMedium
            | StepKind::WakeOnLan => {
                let again = |times| times - 1 <= removed(effects, file) + u32::from(is_lost(file));
                let may_be = *times <= 1 || again(*times);
                assert!(may_be, "{step:?} of {doing:?} was done {times} times: {file}");
            }
        }
    }
    let twice = starts.iter().find(|(_, times)| **times > 1);
    assert_eq!(twice, None, "a machine was started more than once in one epoch");
    let twice = asked.iter().find(|(_, times)| **times > 1);
    assert_eq!(twice, None, "a guest was asked more than once");
}

/// How often a file was removed by a host that was told to, or that cleared up.
fn removed(effects: &Effects, file: &str) -> u32 {
    let removals = effects.iter().filter(|((.., step, files), _)| {
        *step == StepKind::RemoveFiles && files.split(' ').any(|it| it == file)
    });
    removals.map(|(_, times)| times).sum()
}

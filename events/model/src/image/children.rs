//! New children: their names, which are taken from the moment that they are planned, and how they
//! are made, slice by slice.

use super::rejection::Rejection as Refused;
use super::{Image, populate};
use crate::deciding::Deciding;
use crate::event::{MachineFact as Fact, OperationFact};
use crate::fleet::{Fleet, Space};
use crate::ids::{CommandId, DiskId, ImageId, MachineId, StorageId};
use crate::machine::new::{Platform, Wanted, identity, storage_for_disks};
use crate::machine::{Created, Disk, DiskRole, DiskSource, Format, Kind, Machine};
use crate::name::{Hostname, Name, NamePattern};
use crate::operation::{self, Begun, Cursor, NewMachines, Operation, Plan, Populate, Targets};
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::version::latest::operation::Advanced;

/// Numbers have at least so many digits, so that a list sorts as people expect.
const DIGITS_MIN: usize = 3;

/// The pattern and the numbers of children that are to be made.
pub(super) fn planned(
    fleet: &Fleet,
    initial: &Machine,
    pattern: Option<&NamePattern>,
    count: u32,
) -> Result<NewMachines, Rejection> {
    let mut digits = DIGITS_MIN;
    loop {
        let pattern = match pattern {
            Some(pattern) => pattern.clone(),
            None => default_pattern(initial, digits),
        };
        let first = last_number(fleet, &pattern).saturating_add(1);
        let new = NewMachines { pattern, first, count };
        // A longer number leaves fewer letters of the initial's name, so that other numbers may be
        // taken. At ten digits there are no longer ones.
        let needed = width(&new);
        if needed > digits {
            digits = needed;
            continue;
        }
        let last = first.saturating_add(count.saturating_sub(1));
        let unnameable = [first, last].into_iter().find(|number| hostname(&new, *number).is_none());
        return match unnameable {
            Some(number) => Err(Refused::NoHostnames { pattern: new.pattern, number }.into()),
            None => Ok(new),
        };
    }
}

/// `<initial>-{n}`, with so much of the initial's name that a guest can be called so.
fn default_pattern(initial: &Machine, digits: usize) -> NamePattern {
    let room = Hostname::LENGTH_MAX.saturating_sub(1 + digits);
    let name = initial.name.as_str().replace(['.', '_'], "-");
    let kept = name.get(..room).unwrap_or(&name).trim_end_matches('-');
    #[expect(clippy::expect_used, reason = "part of a name with one `{n}` is a pattern")]
    NamePattern::new(&format!("{kept}-{{n}}")).expect("a pattern")
}

/// As many digits as the last number has.
fn width(new: &NewMachines) -> usize {
    let last = new.first.saturating_add(new.count.saturating_sub(1));
    last.to_string().len().max(DIGITS_MIN)
}

fn name_of(new: &NewMachines, number: u32) -> String {
    let width = width(new);
    new.pattern.as_str().replace("{n}", &format!("{number:0width$}"))
}

/// A child is called in its guest as it is called here, so that no two guests have one name.
fn hostname(new: &NewMachines, number: u32) -> Option<Hostname> {
    Hostname::new(&name_of(new, number)).ok()
}

/// The number in a name of this pattern.
fn number_in(pattern: &NamePattern, name: &str) -> Option<u32> {
    let (before, after) = pattern.as_str().split_once("{n}")?;
    let digits = name.strip_prefix(before)?.strip_suffix(after)?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// The highest number of the pattern that a machine has or is going to have.
fn last_number(fleet: &Fleet, pattern: &NamePattern) -> u32 {
    let (before, _) = pattern.as_str().split_once("{n}").unwrap_or_default();
    let from = (Space::Machine, before.into());
    let names = fleet.index.names.range(from..).map(|(key, _)| key);
    let alike =
        names.take_while(|(space, name)| *space == Space::Machine && name.starts_with(before));
    let there = alike.filter_map(|(_, name)| number_in(pattern, name)).max().unwrap_or_default();
    let coming = in_the_making(fleet)
        .filter(|(new, _)| new.pattern == *pattern)
        .map(|(new, _)| new.first.saturating_add(new.count.saturating_sub(1)))
        .max();
    there.max(coming.unwrap_or_default())
}

/// Children that running operations have yet to make, and how many of them they have made.
fn in_the_making(fleet: &Fleet) -> impl Iterator<Item = (&NewMachines, u32)> {
    fleet.index.making.iter().filter_map(|id| {
        let operation = fleet.operations.get(*id)?;
        let Targets::New(new) = &operation.task.targets else { return None };
        Some((new, made(operation)))
    })
}

fn made(operation: &Operation) -> u32 {
    match operation.cursor {
        Some(Cursor::Made(made)) => made,
        Some(Cursor::Machine(_) | Cursor::End) | None => 0,
    }
}

/// A running operation is going to make a machine with this name.
pub(crate) fn name_reserved(fleet: &Fleet, name: &str) -> bool {
    in_the_making(fleet).any(|(new, made)| {
        let Some(number) = number_in(&new.pattern, name) else { return false };
        let numbers = new.first.saturating_add(made)..new.first.saturating_add(new.count);
        numbers.contains(&number) && name_of(new, number) == name
    })
}

/// Makes the next children that an operation is for, and gives each its turn.
pub(crate) fn make_children(deciding: &mut Deciding<'_>, operation: &Operation) {
    let (Targets::New(new), Plan::Populate(plan)) = (&operation.task.targets, &operation.task.plan)
    else {
        return;
    };
    let from = made(operation);
    let slice = u32::try_from(operation::SLICE).unwrap_or(u32::MAX);
    let upto = from.saturating_add(slice).min(new.count);
    let cursor = if upto == new.count { Cursor::End } else { Cursor::Made(upto) };
    let mut advanced = Advanced::upto(cursor);
    for number in from..upto {
        let id: MachineId = deciding.fresh();
        let number = new.first.saturating_add(number);
        let name = Name::new(&name_of(new, number)).ok();
        let made = match name.clone() {
            Some(name) => make(deciding, operation.id, plan, (id, name)),
            None => Err(Refused::NoHostnames { pattern: new.pattern.clone(), number }.into()),
        };
        operation::had_turn(deciding, operation.id, (id, name), made, &mut advanced);
    }
    deciding.fact(operation.id, OperationFact::Advanced(advanced));
}

/// A new child that could not be made when it was its turn first. Its name is no longer kept for
/// it.
pub(crate) fn make_again(
    deciding: &mut Deciding<'_>,
    operation: CommandId,
    plan: &Populate,
    (id, name): (MachineId, Name),
) -> Result<Begun, Rejection> {
    deciding.name_is_free::<MachineId>(name.as_str(), None)?;
    make(deciding, operation, plan, (id, name))
}

fn make(
    deciding: &mut Deciding<'_>,
    operation: CommandId,
    plan: &Populate,
    (id, name): (MachineId, Name),
) -> Result<Begun, Rejection> {
    let created = child(deciding, plan, name)?;
    deciding.fact(id, Fact::Created(created));
    let (_, child) = deciding.find::<Machine>(&Ref::Id(id))?;
    populate::turn(deciding, operation, plan, &child)
}

fn child(deciding: &mut Deciding<'_>, plan: &Populate, name: Name) -> Result<Created, Rejection> {
    let (_, initial) = deciding.find::<Machine>(&Ref::Id(plan.initial))?;
    initial.is_not_going()?;
    let image = deciding.fleet.images.shared(plan.image);
    let image = image
        .filter(|image| image.is_usable())
        .ok_or_else(|| Refused::NothingToSeal { initial: initial.name.clone() })?;
    // Whatever came into being past the reservation.
    let taken = deciding.fleet.index.names.contains_key(&(Space::Machine, name.as_str().into()));
    if taken {
        let kind = crate::rejection::Kind("machine");
        let name = name.to_string();
        return Err(crate::rejection::general::Rejection::NameTaken { kind, name }.into());
    }
    let identity = identity(deciding, &name, Platform::from(&initial.identity))?;
    let disks = vec![system_disk(deciding, &initial, &image)?];
    let kind = Kind::Vdi { initial: initial.id };
    Ok(Created { name, kind, identity, settings: None, disks, adopted_from: None })
}

fn system_disk(
    deciding: &mut Deciding<'_>,
    initial: &Machine,
    image: &Image,
) -> Result<Disk, Rejection> {
    let base = image.base_for_new(&deciding.fleet);
    let base = base.ok_or_else(|| Refused::NothingToSeal { initial: initial.name.clone() })?;
    Ok(Disk {
        id: deciding.fresh::<DiskId>(),
        role: DiskRole::System,
        storage: storage(deciding, initial, Some(image.id))?,
        source: DiskSource::Overlay(base),
        size_gib: image.size_gib,
        overlay_generation: 0,
        format: Format::Qcow2,
        file: None,
    })
}

/// Beside the initial's own disk if there is room, and where the version's files can be seen, too.
pub(super) fn storage(
    deciding: &Deciding<'_>,
    initial: &Machine,
    image: Option<ImageId>,
) -> Result<StorageId, Rejection> {
    let near = initial.system_disk().map(|disk| disk.storage);
    let beside = match image {
        Some(image) => crate::work::storages_of_new(&deciding.fleet, image),
        None => near.map(|near| vec![near]),
    };
    let wanted = near.map_or(Wanted::Anywhere, Wanted::Near);
    storage_for_disks(deciding, wanted, beside.as_slice())
}

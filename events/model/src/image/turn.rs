//! What one machine's turn is in operations on images.

use super::{children, copy, import, populate, retire, seal, virtual_snapshot};
use crate::deciding::Deciding;
use crate::ids::{CommandId, ImageId, MachineId, MediaId};
use crate::machine::VirtualSnapshot;
use crate::name::Name;
use crate::operation::{Begun, Populate};
use crate::rejection::Rejection;

pub(crate) fn set_virtual_snapshot(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    setting: Option<&VirtualSnapshot>,
) -> Result<Begun, Rejection> {
    virtual_snapshot::set(deciding, id, setting)
}

pub(crate) fn populate(
    deciding: &mut Deciding<'_>,
    operation: CommandId,
    populate: &Populate,
    id: MachineId,
) -> Result<Begun, Rejection> {
    populate::turn(deciding, operation, populate, id)
}

/// A new child that could not be made when it was its turn first.
pub(crate) fn make_child(
    deciding: &mut Deciding<'_>,
    operation: CommandId,
    populate: &Populate,
    child: (MachineId, Name),
) -> Result<Begun, Rejection> {
    children::make_again(deciding, operation, populate, child)
}

pub(crate) fn copy(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    source: MachineId,
) -> Result<Begun, Rejection> {
    copy::turn(deciding, id, source)
}

pub(crate) fn seal(
    deciding: &mut Deciding<'_>,
    operation: CommandId,
    id: MachineId,
    tags: &[Name],
) -> Result<Begun, Rejection> {
    seal::turn(deciding, operation, id, tags)
}

pub(crate) fn retire(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    image: ImageId,
) -> Result<Begun, Rejection> {
    retire::turn(deciding, id, image)
}

pub(crate) fn import(
    deciding: &mut Deciding<'_>,
    operation: CommandId,
    id: MachineId,
    media: MediaId,
) -> Result<Begun, Rejection> {
    import::turn(deciding, operation, id, media)
}

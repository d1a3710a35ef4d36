//! How commands name versions: `win11@3`, `win11:head`, or by id.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use super::Image;
use crate::deciding::Deciding;
use crate::fleet::Fleet;
use crate::ids::{ImageId, MachineId};
use crate::machine::Machine;
use crate::name::Name;
use crate::reference::Ref;
use crate::rejection::{Kind, Rejection, general};

/// A version, by its id, by its number, or by a tag.
#[derive(Clone, PartialEq, Eq)]
pub enum ImageRef {
    Id(ImageId),
    /// `<initial>@<number>`
    Numbered {
        initial: Ref<MachineId>,
        number: u32,
    },
    /// `<initial>:<tag>`
    Tagged {
        initial: Ref<MachineId>,
        tag: Name,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version is named `<initial>@<number>`, `<initial>:<tag>`, or by its id (a UUID)")]
pub struct ImageRefError;

/// The longest name twice, and what stands between.
const LENGTH_MAX: usize = 2 * Name::LENGTH_MAX + 1;

impl ImageRef {
    pub fn new(text: &str) -> Result<Self, ImageRefError> {
        if let Ok(id) = Uuid::try_parse(text) {
            return Ok(Self::Id(ImageId::new(id)));
        }
        if let Some((initial, number)) = text.split_once('@') {
            let initial = initial_ref(initial)?;
            let digits = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
            let number = digits.then(|| number.parse().ok()).flatten().ok_or(ImageRefError)?;
            return Ok(Self::Numbered { initial, number });
        }
        let (initial, tag) = text.split_once(':').ok_or(ImageRefError)?;
        let tag = Name::new(tag).map_err(|_| ImageRefError)?;
        Ok(Self::Tagged { initial: initial_ref(initial)?, tag })
    }

    fn find(&self, deciding: &Deciding<'_>) -> Result<Option<ImageId>, Rejection> {
        Ok(match self {
            Self::Id(id) => Some(*id),
            Self::Numbered { initial, number } => {
                let (initial, _) = deciding.find::<Machine>(initial)?;
                numbered(&deciding.fleet, initial, *number)
            }
            Self::Tagged { initial, tag } => {
                let (initial, _) = deciding.find::<Machine>(initial)?;
                deciding.fleet.index.tags.get(&(initial, tag.clone())).copied()
            }
        })
    }
}

fn initial_ref(text: &str) -> Result<Ref<MachineId>, ImageRefError> {
    let is_name = Name::new(text).is_ok() || Uuid::try_parse(text).is_ok();
    is_name.then(|| Ref::new(text).ok()).flatten().ok_or(ImageRefError)
}

fn numbered(fleet: &Fleet, initial: MachineId, number: u32) -> Option<ImageId> {
    let from = (initial, number, ImageId::MIN);
    let next = fleet.index.versions.range(from..).next();
    next.filter(|(it, its, _)| *it == initial && *its == number).map(|(_, _, image)| *image)
}

/// The version that a command names. One whose initial is gone goes, too, and is named no more.
pub(super) fn find(
    deciding: &Deciding<'_>,
    named: &ImageRef,
) -> Result<(ImageId, Arc<Image>), Rejection> {
    let id = named.find(deciding)?;
    let image = id.and_then(|id| Some((id, deciding.fleet.images.shared(id)?)));
    let image = image.filter(|(_, image)| deciding.fleet.machines.contains(image.initial));
    image.ok_or_else(|| {
        general::Rejection::NoSuch { kind: Kind("version"), given: named.to_string() }.into()
    })
}

/// What people call a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName {
    pub initial: Option<Name>,
    pub number: u32,
}

impl ImageName {
    pub fn of(fleet: &Fleet, image: &Image) -> Self {
        let initial = fleet.machines.get(image.initial).map(|initial| initial.name.clone());
        Self { initial, number: image.number }
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.initial {
            Some(initial) => write!(f, "{initial}@{}", self.number),
            None => write!(f, "@{}", self.number),
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Numbered { initial, number } => write!(f, "{initial}@{number}"),
            Self::Tagged { initial, tag } => write!(f, "{initial}:{tag}"),
        }
    }
}

impl fmt::Debug for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ImageRef {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ImageRef {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(from)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}

impl JsonSchema for ImageRef {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ImageRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": LENGTH_MAX,
            "pattern": "^(?:[A-Za-z0-9._-]{1,63}(?:@[0-9]{1,9}|:[A-Za-z0-9._-]{1,63})|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$",
            "description": "A version: `<initial>@<number>`, `<initial>:<tag>`, or its id.",
        })
    }
}

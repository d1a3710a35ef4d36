//! A fleet as bytes, for a start that folds only what came after.
//!
//! The bytes are a cache of what the log says: one JSON object with the tables, no index, and no
//! promise. Only the very model that wrote them reads them ([`MODEL`]); any other folds the log.

use std::collections::VecDeque;
use std::sync::Arc;
use std::{fmt, io};

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Fleet, Index, Table, Thing};
use crate::image::Image;
use crate::machine::Machine;

/// Which model this is: a hash of its sources, in hexadecimal digits.
pub const MODEL: &str = env!("CARREL_MODEL");

/// So many values are compared with a new one. Machines that are alike were mostly made together,
/// of as many images as a site works with at a time.
const REMEMBERED_MAX: usize = 64;

impl Fleet {
    /// Writes it piece by piece: as a whole it may take as much memory as the fleet itself.
    pub fn write_snapshot(&self, to: impl io::Write) -> Result<(), serde_json::Error> {
        serde_json::to_writer(to, self)
    }

    /// In as little memory as a fleet takes that was folded and packed.
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let mut fleet: Self = serde_json::from_slice(bytes)?;
        fleet.index = Index::of(&fleet);
        fleet.share_with_images();
        fleet.pack();
        Ok(fleet)
    }

    /// New machines get the settings of their image, as those that stand on it have.
    fn share_with_images(&mut self) {
        let shared = self.images.iter().filter_map(|(id, image)| {
            let first = self.machines.get(self.on_image(id).next()?)?;
            (first.settings == image.settings).then(|| (id, Arc::clone(&first.settings)))
        });
        for (id, settings) in shared.collect::<Vec<_>>() {
            self.change::<Image>(id, |image| image.settings = settings);
        }
    }
}

/// Reads machines one after the other. What they have in common is shared at once: all of it apart
/// would take several times as much memory as the fleet.
pub(super) fn machines<'de, D: Deserializer<'de>>(from: D) -> Result<Table<Machine>, D::Error> {
    from.deserialize_map(Machines)
}

struct Machines;

impl<'de> Visitor<'de> for Machines {
    type Value = Table<Machine>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("machines by id")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut settings = Alike::default();
        let mut reserved = Alike::default();
        let mut recipes = Alike::default();
        let mut table = Table::default();
        while let Some((id, mut machine)) = from.next_entry::<_, Machine>()? {
            machine.settings = settings.one(&machine.settings);
            machine.running_with = machine.running_with.map(|it| settings.one(&it));
            machine.reserved = reserved.one(&machine.reserved);
            machine.recipe = machine.recipe.map(|it| recipes.one(&it));
            table.0.insert(id, Arc::new(machine));
        }
        Ok(table)
    }
}

/// Values that were unlike each other, those first that were met last.
struct Alike<T>(VecDeque<Arc<T>>);

impl<T> Default for Alike<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: PartialEq> Alike<T> {
    /// The one to have in the place of all that are like it.
    fn one(&mut self, value: &Arc<T>) -> Arc<T> {
        let met = self.0.iter().position(|it| it == value).and_then(|at| self.0.remove(at));
        let one = met.unwrap_or_else(|| Arc::clone(value));
        self.0.truncate(REMEMBERED_MAX - 1);
        self.0.push_front(Arc::clone(&one));
        one
    }
}

impl<T: Thing + Serialize> Serialize for Table<T>
where
    T::Id: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

impl<'de, T: Thing + Deserialize<'de>> Deserialize<'de> for Table<T>
where
    T::Id: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Deserialize::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Alike, MODEL, Machine, REMEMBERED_MAX};
    use crate::fleet::Fleet;
    use crate::image::tests::Site;

    fn written(fleet: &Fleet) -> Vec<u8> {
        let mut bytes = Vec::new();
        fleet.write_snapshot(&mut bytes).expect("bytes");
        bytes
    }

    fn again(fleet: &Fleet) -> Fleet {
        Fleet::from_snapshot(&written(fleet)).expect("a fleet")
    }

    #[test]
    fn a_fleet_is_the_same_again() {
        assert_eq!(again(&Fleet::default()), Fleet::default());
        let (site, _) = Site::with_children(40);
        assert_eq!(again(&site.story.fleet), site.story.fleet);
        // Byte for byte, too.
        assert_eq!(written(&again(&site.story.fleet)), written(&site.story.fleet));
    }

    #[test]
    fn what_was_shared_is_shared_again() {
        let (site, children) = Site::with_children(40);
        let fleet = again(&site.story.fleet);
        let settings = |at: usize| {
            let machine: Option<&Machine> = fleet.machines.get(children[at]);
            machine.map(|machine| Arc::as_ptr(&machine.settings))
        };
        assert_eq!(settings(0), settings(39));
        assert_ne!(settings(0), None);
        let image = fleet.images.iter().next().map(|(_, image)| Arc::as_ptr(&image.settings));
        assert_eq!(settings(0), image);
    }

    #[test]
    fn what_is_not_met_for_long_is_forgotten() {
        let mut alike = Alike::default();
        let first = alike.one(&Arc::new(0));
        for value in 1..REMEMBERED_MAX {
            alike.one(&Arc::new(value));
            assert!(Arc::ptr_eq(&alike.one(&Arc::new(0)), &first));
        }
        for value in 1..=REMEMBERED_MAX {
            alike.one(&Arc::new(value + REMEMBERED_MAX));
        }
        assert!(!Arc::ptr_eq(&alike.one(&Arc::new(0)), &first));
    }

    #[test]
    fn what_is_no_snapshot_is_refused() {
        let bytes = written(&Fleet::default());
        for end in 0..bytes.len() {
            assert!(Fleet::from_snapshot(&bytes[..end]).is_err());
        }
        assert_eq!(MODEL.len(), 16);
    }
}

//! Things of one kind by id, in an order that is the same in every process.
//!
//! A clone shares everything; who changes a thing copies the way to it and the thing itself, if
//! somebody else still looks at them.

use std::fmt::Debug;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use imbl::OrdMap;

use super::{Fleet, Index};
use crate::record::Version;

/// Something that has an id and a stream of its own.
pub trait Thing: Clone + PartialEq + Debug + Sized {
    type Id: Copy + Ord + Debug;

    /// How many facts its stream has.
    fn version(&self) -> Version;

    /// Where it stands in the fleet's indexes: a function of the thing alone.
    type Keys: PartialEq;
    fn keys(&self) -> Self::Keys;
    /// Moves it in the indexes from where it stood to where it stands.
    fn reindex(
        id: Self::Id,
        before: Option<Self::Keys>,
        after: Option<Self::Keys>,
        index: &mut Index,
    );

    fn table(fleet: &Fleet) -> &Table<Self>;
    fn table_mut(fleet: &mut Fleet) -> &mut Table<Self>;
    fn version_mut(&mut self) -> &mut Version;
}

#[derive(Clone, Debug, PartialEq)]
pub struct Table<T: Thing>(pub(super) OrdMap<T::Id, Arc<T>>);

impl<T: Thing> Default for Table<T> {
    fn default() -> Self {
        Self(OrdMap::new())
    }
}

impl<T: Thing> Table<T> {
    pub fn get(&self, id: T::Id) -> Option<&T> {
        self.0.get(&id).map(Arc::as_ref)
    }

    /// To be kept while the fleet changes.
    pub fn shared(&self, id: T::Id) -> Option<Arc<T>> {
        self.0.get(&id).cloned()
    }

    pub fn contains(&self, id: T::Id) -> bool {
        self.0.contains_key(&id)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (T::Id, &T)> {
        self.0.iter().map(|(id, thing)| (*id, thing.as_ref()))
    }

    /// The things whose ids are larger, in order.
    pub fn after(&self, id: T::Id) -> impl Iterator<Item = (T::Id, &T)> {
        self.0.range((Excluded(id), Unbounded)).map(|(id, thing)| (*id, thing.as_ref()))
    }

    /// The thing that came last.
    pub fn last(&self) -> Option<T::Id> {
        self.0.get_max().map(|(id, _)| *id)
    }
}

impl Fleet {
    pub(crate) fn put<T: Thing>(&mut self, id: T::Id, thing: T) {
        let keys = thing.keys();
        let before = T::table_mut(self).0.insert(id, Arc::new(thing));
        T::reindex(id, before.map(|it| it.keys()), Some(keys), &mut self.index);
    }

    /// Does nothing when there is no such thing: a fact that is folded is never refused.
    pub(crate) fn change<T: Thing>(&mut self, id: T::Id, change: impl FnOnce(&mut T)) {
        let Some(thing) = T::table_mut(self).0.get_mut(&id) else { return };
        let thing = Arc::make_mut(thing);
        let before = thing.keys();
        change(thing);
        let after = thing.keys();
        if before != after {
            T::reindex(id, Some(before), Some(after), &mut self.index);
        }
    }

    pub(crate) fn take<T: Thing>(&mut self, id: T::Id) -> Option<Arc<T>> {
        let thing = T::table_mut(self).0.remove(&id)?;
        T::reindex(id, Some(thing.keys()), None, &mut self.index);
        Some(thing)
    }

    /// As [`Fleet::change`], for a fact of the thing's own stream.
    pub(crate) fn step<T: Thing>(&mut self, id: T::Id, change: impl FnOnce(&mut T)) {
        self.change::<T>(id, |thing| {
            let version = thing.version_mut();
            *version = version.next();
            change(thing);
        });
    }
}

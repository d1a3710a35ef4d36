//! What is written of a thing: a function of the fleet, of what is remembered, and of the keys of
//! those who are still there.

mod arranged;
mod image;
mod machine;
mod people;
mod session;

use std::fmt::Display;

use carrel_keys::{Keys, KeysError};
use carrel_model::fleet::Fleet;
use carrel_model::ids::FromUuid;
use carrel_model::record::Timestamp;
use carrel_model::sealed::{Purpose, SealedBox};
use carrel_model::version::latest::Labels;
use serde::Serialize;
use uuid::Uuid;

use crate::kind::Kind;
use crate::memo::Memo;
use crate::row::{Cell, Key, Row};

/// Opens what is sealed of people.
pub trait Open: Send + Sync {
    /// Nothing if it can't be read any more. It may wait for a disk.
    fn open(&self, purpose: Purpose, sealed: &SealedBox) -> Result<Option<String>, KeysError>;
}

impl Open for Keys {
    fn open(&self, purpose: Purpose, sealed: &SealedBox) -> Result<Option<String>, KeysError> {
        match Keys::open(self, purpose, sealed) {
            Ok(text) => Ok(text.map(|text| text.as_str().to_owned())),
            // The key is not in the backup that was restored. Everything else is shown all the
            // same.
            Err(KeysError::NoKey { .. } | KeysError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Why a row can't be made now.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RenderError {
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("a row could not be written as JSON: {0}")]
    Unwritable(String),
}

/// Makes rows of one moment.
#[derive(Clone, Copy)]
pub(crate) struct Render<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) open: &'a dyn Open,
}

type Rendered = Result<Option<Row>, RenderError>;

impl Render<'_> {
    /// The row of a thing. None: there is none, or none any more.
    pub(crate) fn row(&self, key: Key, memo: &Memo) -> Rendered {
        fn id<T: FromUuid>(key: Key) -> T {
            T::from_uuid(key.id)
        }
        match key.kind {
            Kind::Hypervisors => self.hypervisor(id(key), memo),
            Kind::Storages => self.storage(id(key), memo),
            Kind::Networks => self.network(id(key), memo),
            Kind::Media => self.media(id(key), memo),
            Kind::Templates => self.template(id(key), memo),
            Kind::Machines => self.machine(id(key), memo),
            Kind::Images => self.image(id(key), memo),
            Kind::Pools => self.pool(id(key), memo),
            Kind::Clients => self.client(id(key), memo),
            Kind::Groups => self.group(id(key), memo),
            Kind::Labs => self.lab(id(key), memo),
            Kind::Terminals => self.terminal(id(key), memo),
            Kind::Sessions => self.session(id(key), memo),
            Kind::Operations => self.operation(id(key), memo),
            Kind::Admins => self.admin(id(key), memo),
        }
    }

    fn open(&self, purpose: Purpose, sealed: &SealedBox) -> Result<Option<String>, RenderError> {
        Ok(self.open.open(purpose, sealed)?)
    }
}

impl Memo {
    /// Everything in the log has a beginning there.
    fn created(&self) -> Timestamp {
        self.created.unwrap_or_default()
    }

    fn changed(&self) -> Timestamp {
        self.changed.unwrap_or_default()
    }
}

/// A row that is found and counted by nothing but its columns.
fn row(
    id: impl Into<Uuid>,
    name: impl Display,
    memo: &Memo,
    cells: Vec<Cell>,
    doc: &impl Serialize,
) -> Result<Row, RenderError> {
    let doc = serde_json::to_string(doc);
    Ok(Row {
        id: id.into(),
        name: name.to_string(),
        created_at: memo.created(),
        cells,
        doc: doc.map_err(|error| RenderError::Unwritable(error.to_string()))?,
        facets: Vec::new(),
        counted: Vec::new(),
    })
}

impl Row {
    fn labelled(mut self, labels: &Labels) -> Self {
        for (key, value) in labels {
            self.label(key.as_str(), value.as_str());
        }
        self
    }

    /// Once with its value, and once by its key alone.
    fn label(&mut self, key: &str, value: &str) {
        self.facets.push(("label".to_owned(), key.to_owned()));
        self.facets.push(("label".to_owned(), format!("{key}={value}")));
    }

    fn facets<T: Display>(mut self, facet: &str, values: impl IntoIterator<Item = T>) -> Self {
        let entries = values.into_iter().map(|value| (facet.to_owned(), value.to_string()));
        self.facets.extend(entries);
        self
    }

    fn counted(mut self, by: &str, value: &str) -> Self {
        self.counted.push((by.to_owned(), value.to_owned()));
        self
    }
}

/// As it is in a document.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    }
}

//! By what each kind of thing can be filtered and sorted.

use crate::kind::Kind;

/// What a filter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filtered {
    /// Any text; one that ends in `*` is the beginning of what is looked for.
    Text,
    /// One of these.
    Word(&'static [&'static str]),
    /// An id or a name of a thing of this kind.
    Thing(Kind),
    /// An id.
    Id,
    /// `true` or `false`.
    Flag,
    /// `key=value`, or `key` alone.
    Label,
}

/// Where what is compared stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Column(&'static str),
    /// Things that may have several values: rows of the table of facets.
    Facet(&'static str),
}

/// One thing to filter by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Of the parameter. Several values, divided by commas, mean any of them.
    pub name: &'static str,
    pub filtered: Filtered,
    pub(crate) at: At,
}

/// One thing to sort by. With `-` before it, the largest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    pub name: &'static str,
    pub(crate) column: &'static str,
}

const fn text(name: &'static str) -> Field {
    Field { name, filtered: Filtered::Text, at: At::Column(name) }
}

const fn word(name: &'static str, words: &'static [&'static str]) -> Field {
    Field { name, filtered: Filtered::Word(words), at: At::Column(name) }
}

const fn thing(name: &'static str, kind: Kind) -> Field {
    Field { name, filtered: Filtered::Thing(kind), at: At::Column(name) }
}

const fn flag(name: &'static str) -> Field {
    Field { name, filtered: Filtered::Flag, at: At::Column(name) }
}

const fn one_of_its(name: &'static str, filtered: Filtered) -> Field {
    Field { name, filtered, at: At::Facet(name) }
}

const NAME: Field = text("name");
const LABEL: Field = one_of_its("label", Filtered::Label);

pub(crate) const MACHINE_STATES: &[&str] =
    &["off", "starting", "running", "paused", "asleep", "stopping", "crashed", "unknown"];
pub(crate) const MACHINE_KINDS: &[&str] = &["simple", "source", "initial", "vdi", "external"];
const MACHINE_REASONS: &[&str] = &["admin", "populate", "drain", "quarantine"];
const HOST_STATES: &[&str] = &["enabled", "maintenance", "silent", "lost"];
const IMAGE_STATES: &[&str] = &["sealing", "sealed", "verified", "retired"];
const SESSION_STATES: &[&str] = &["queued", "leased", "ended"];
const OPERATION_STATES: &[&str] =
    &["running", "cancelling", "succeeded", "partially_failed", "failed", "cancelled"];

const HYPERVISORS: &[Field] = &[NAME, word("state", HOST_STATES), LABEL];
const STORAGES: &[Field] = &[
    NAME,
    word("medium", &["disk", "memory"]),
    flag("low_on_space"),
    one_of_its("role", Filtered::Word(&["images", "disks", "volatile", "media"])),
    one_of_its("hypervisor", Filtered::Thing(Kind::Hypervisors)),
    LABEL,
];
const NETWORKS: &[Field] = &[NAME, LABEL];
const MEDIA: &[Field] =
    &[NAME, word("kind", &["iso", "drivers", "disk"]), thing("storage", Kind::Storages), LABEL];
const TEMPLATES: &[Field] = &[NAME, word("os", &["linux", "windows", "other"]), LABEL];
const MACHINES: &[Field] = &[
    NAME,
    word("state", MACHINE_STATES),
    word("kind", MACHINE_KINDS),
    thing("pool", Kind::Pools),
    thing("hypervisor", Kind::Hypervisors),
    thing("initial", Kind::Machines),
    thing("source", Kind::Machines),
    thing("image", Kind::Images),
    flag("ready"),
    flag("in_use"),
    flag("locked"),
    one_of_its("maintenance", Filtered::Word(MACHINE_REASONS)),
    one_of_its("owner", Filtered::Thing(Kind::Clients)),
    LABEL,
];
const IMAGES: &[Field] = &[
    NAME,
    thing("initial", Kind::Machines),
    word("state", IMAGE_STATES),
    one_of_its("tag", Filtered::Text),
];
const POOLS: &[Field] = &[
    NAME,
    word("mode", &["dedicated", "floating", "sticky"]),
    flag("closed"),
    thing("initial", Kind::Machines),
    one_of_its("group", Filtered::Thing(Kind::Groups)),
    LABEL,
];
const CLIENTS: &[Field] = &[
    NAME,
    text("provider"),
    flag("blocked"),
    one_of_its("directory_group", Filtered::Thing(Kind::Groups)),
    LABEL,
];
const GROUPS: &[Field] = &[NAME, text("provider"), LABEL];
const LABS: &[Field] = &[NAME, one_of_its("pool", Filtered::Thing(Kind::Pools)), LABEL];
const TERMINALS: &[Field] = &[NAME, thing("lab", Kind::Labs), text("class"), LABEL];
const SESSIONS: &[Field] = &[
    word("state", SESSION_STATES),
    thing("client", Kind::Clients),
    thing("terminal", Kind::Terminals),
    thing("pool", Kind::Pools),
    thing("machine", Kind::Machines),
];
const OPERATIONS: &[Field] = &[
    NAME,
    word("state", OPERATION_STATES),
    Field { name: "actor", filtered: Filtered::Id, at: At::Column("actor") },
];
const ADMINS: &[Field] =
    &[NAME, one_of_its("role", Filtered::Word(&["viewer", "operator", "admin"]))];

const BY_NAME: Sort = Sort { name: "name", column: "name" };
const BY_CREATION: Sort = Sort { name: "created_at", column: "created_at" };
const BY_NUMBER: Sort = Sort { name: "number", column: "number" };

impl Kind {
    pub const fn filters(self) -> &'static [Field] {
        match self {
            Self::Hypervisors => HYPERVISORS,
            Self::Storages => STORAGES,
            Self::Networks => NETWORKS,
            Self::Media => MEDIA,
            Self::Templates => TEMPLATES,
            Self::Machines => MACHINES,
            Self::Images => IMAGES,
            Self::Pools => POOLS,
            Self::Clients => CLIENTS,
            Self::Groups => GROUPS,
            Self::Labs => LABS,
            Self::Terminals => TERMINALS,
            Self::Sessions => SESSIONS,
            Self::Operations => OPERATIONS,
            Self::Admins => ADMINS,
        }
    }

    /// The first one is what pages are sorted by when nobody says otherwise: by name, or, of what
    /// happens and passes, the newest first.
    pub const fn sorts(self) -> &'static [Sort] {
        match self {
            Self::Images => &[BY_NAME, BY_CREATION, BY_NUMBER],
            Self::Sessions => &[BY_CREATION],
            Self::Operations => &[BY_CREATION, BY_NAME],
            Self::Hypervisors
            | Self::Storages
            | Self::Networks
            | Self::Media
            | Self::Templates
            | Self::Machines
            | Self::Pools
            | Self::Clients
            | Self::Groups
            | Self::Labs
            | Self::Terminals
            | Self::Admins => &[BY_NAME, BY_CREATION],
        }
    }

    /// Whether names of this kind find one thing. A person's name does with its provider before it.
    pub const fn is_named(self) -> bool {
        !matches!(self, Self::Sessions | Self::Operations)
    }
}

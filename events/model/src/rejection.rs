//! Why a command is refused: in which state what is in the way, and what would clear it.
//!
//! Each has a code that stays the same for all time and a page in docs/errors, which is made from
//! what stands here. A code that is no longer given is never given to another.

use std::fmt;

/// What kind of refusal it is, for whoever translates it (HTTP: RFC 9110, section 15.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// It could never be done: 400.
    Malformed,
    /// Whoever asked may not: 403.
    Forbidden,
    /// It names something that isn't there: 404.
    Unknown,
    /// It can't be done in this state: 409.
    Conflict,
    /// It was made for another version of the thing: 412.
    Stale,
}

/// What the page of a rejection says.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub code: &'static str,
    /// Its name in the code, for those who search.
    pub name: &'static str,
    pub class: Class,
    /// The message, with its placeholders.
    pub message: &'static str,
    /// When it happens.
    pub meaning: &'static str,
    pub clears: &'static str,
}

impl Page {
    /// Its name as people read it: `NoSuchMachine` is "No such machine".
    pub fn title(&self) -> String {
        let mut words = String::new();
        for (at, letter) in self.name.chars().enumerate() {
            if letter.is_uppercase() && at > 0 {
                words.push(' ');
                words.extend(letter.to_lowercase());
            } else {
                words.push(letter);
            }
        }
        words
    }
}

macro_rules! rejections {
    ($(
        $(#[doc = $meaning:literal])*
        $name:ident $({ $($field:ident: $type:ty),* $(,)? })? $code:literal $class:ident
            $message:literal, clears $clears:literal;
    )*) => {
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum Rejection {$(
            $(#[doc = $meaning])*
            #[error($message)]
            $name $({ $($field: $type),* })?,
        )*}

        impl Rejection {
            pub const PAGES: &'static [crate::rejection::Page] = &[$(
                crate::rejection::Page {
                    code: $code,
                    name: stringify!($name),
                    class: crate::rejection::Class::$class,
                    message: $message,
                    meaning: concat!($($meaning, "\n"),*),
                    clears: $clears,
                },
            )*];

            pub(crate) const fn page(&self) -> &'static crate::rejection::Page {
                let mut at = 0;
                $(
                    if matches!(self, Self::$name { .. }) {
                        return &Self::PAGES[at];
                    }
                    at += 1;
                )*
                let _ = at;
                unreachable!()
            }
        }
    };
}
pub(crate) use rejections;

macro_rules! of_all_areas {
    ($($area:ident($path:path);)*) => {
        /// Why a command is refused, whatever it is about.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum Rejection {$(
            #[error(transparent)]
            $area(#[from] $path),
        )*}

        impl Rejection {
            /// One page for each code.
            pub fn pages() -> impl Iterator<Item = &'static Page> {
                [$(<$path>::PAGES),*].into_iter().flatten()
            }

            pub fn page(&self) -> &'static Page {
                match self {$(Self::$area(rejection) => rejection.page(),)*}
            }
        }
    };
}

of_all_areas! {
    General(general::Rejection);
    Hypervisor(crate::hypervisor::rejection::Rejection);
    Machine(crate::machine::rejection::Rejection);
    Image(crate::image::rejection::Rejection);
    Pool(crate::pool::rejection::Rejection);
    Client(crate::client::rejection::Rejection);
    Lab(crate::lab::rejection::Rejection);
    Operation(crate::operation::rejection::Rejection);
    Storage(crate::storage::rejection::Rejection);
    Admin(crate::admin::rejection::Rejection);
}

impl Rejection {
    /// `CRL-0001`.
    pub fn code(&self) -> &'static str {
        self.page().code
    }

    pub fn class(&self) -> Class {
        self.page().class
    }
}

/// Codes that were given once and never will be again.
pub const RETIRED: &[&str] = &["CRL-0217", "CRL-0606"];

/// A kind of thing, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(pub &'static str);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Settings that can't be, with what is wrong with them.
pub(crate) fn bad_settings(detail: impl fmt::Display) -> Rejection {
    general::Rejection::BadSettings { detail: detail.to_string() }.into()
}

pub mod general {
    //! Refusals that any command may meet.

    use super::Kind;
    use crate::record::Version;

    rejections! {
        /// The command names a thing by its id or by its name, and no thing of that kind has it.
        NoSuch { kind: Kind, given: String } "CRL-0001" Unknown
            "there is no {kind} {given}",
            clears "List the things of that kind and use the name or the id of one that is there.";
        /// Names are unique within a kind. An operation that is going to make machines takes their
        /// names beforehand.
        NameTaken { kind: Kind, name: String } "CRL-0002" Conflict
            "there is a {kind} {name} already",
            clears "Choose another name, or rename or remove the one that has it.";
        /// The command said which version of the thing it was made for, and the thing has changed
        /// since.
        Stale { given: Version, current: Version } "CRL-0003" Stale
            "this was made for version {given}, and the thing is now at version {current}",
            clears "Read the thing again, look at what has changed, and send the change anew.";
        /// A merge patch (RFC 7396) was applied to the thing's settings, and the result is not what
        /// such settings may be: a field is unknown, missing or has a wrong value.
        BadSettings { detail: String } "CRL-0004" Malformed
            "these settings can't be: {detail}",
            clears "Correct the field that is named. The schema of the command shows all of them.";
        /// The command names more things than a command can, or than can be kept with one thing.
        TooMany { given: usize, most: usize } "CRL-0005" Malformed
            "this names {given} things, and at most {most} can be named at once",
            clears "Name fewer. Machines can be selected by pool, parent, host or label, or by several commands.";
        /// A command has to say which machines it is for.
        NothingNamed "CRL-0006" Malformed
            "this doesn't say which machines it is for",
            clears "Name machines, or select them by `children_of`, `pool`, `hypervisor` or `label`.";
        /// A command selects its machines in one way only, so that nobody has to guess whether two
        /// ways add up or narrow down.
        SeveralSelections "CRL-0008" Malformed
            "this selects machines in more than one way",
            clears "Use one of `machines`, `children_of`, `pool`, `hypervisor` and `label`.";
        /// The id that the command brought for a new thing belongs to another one.
        IdTaken { kind: Kind } "CRL-0007" Conflict
            "the id for the new {kind} is taken",
            clears "Send the command again with another command id.";
        /// During an upgrade, some processes don't know yet what this would write. They would have
        /// to stop reading the log.
        NotYetReadable { fact: String } "CRL-0009" Conflict
            "not every process of this cluster can read {fact} as this would write it",
            clears "Finish the upgrade of all processes, then send `RaiseFeatureLevel`.";
        /// What is personal or secret in a command is sealed for the person or the terminal that it
        /// names, before it is decided. Meanwhile they were deleted or renamed, and another has the
        /// name.
        SealedForAnother "CRL-0010" Conflict
            "the name belongs to another than when this was sent",
            clears "See that the name still means whom you mean, and send the command again.";
    }
}

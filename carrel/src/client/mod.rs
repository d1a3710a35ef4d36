//! Carrel from the command line: an administrator's way to the HTTP API, and nothing that the API
//! doesn't offer to everybody.
//!
//! ```text
//!   carrel login            session: who is signed in where, in a file of their own
//!   carrel do Populate ..   ask: the arguments of each command follow from its schema
//!   carrel get machines ..  get: pages of what is known, as a table, JSON or YAML
//!   carrel foreign node1    foreign: what others have made on a host, and how to adopt it
//!   carrel space --pool x   space: what machines take on their storages
//!   carrel connect room     connect: a desktop for a person, as a file for the viewer
//!   carrel upload x.iso     upload: a file becomes a medium, in pieces
//!   carrel watch            watch: facts, as they happen
//!   carrel projections ..   projections: what can be read, built anew or compared with the log
//! ```

mod arguments;
mod ask;
mod connect;
mod fields;
mod foreign;
mod get;
mod http;
mod operation;
mod projections;
mod session;
mod space;
mod table;
mod upload;
mod watch;

pub(crate) use self::arguments::{
    Connect, Do, Foreign, Get, Login, Logout, Projections, SERVER, Space, Upload, Watch,
};
#[cfg(feature = "libvirt")]
pub(crate) use self::{arguments::Server, get::all, http::Http, session::signed_in};
pub(crate) use self::{
    ask::run as ask, connect::run as connect, foreign::run as foreign, get::run as get,
    projections::run as projections, session::login, session::logout, space::run as space,
    upload::run as upload, watch::run as watch,
};

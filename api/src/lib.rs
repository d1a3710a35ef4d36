//! The HTTP edge: commands in, what is known out.
//!
//! ```text
//!   socket -- tls.rs, serve.rs,
//!             patience.rs ------>  around.rs   a trace's id, hard headers, problems as bytes
//!                                  router.rs   one table of all routes
//!                                  guard.rs    room? who? may they? until when?
//!                                     |
//!      command.rs, batch.rs  sign_in.rs  reads.rs, operation.rs  event.rs  desktop.rs  upload.rs
//!              |                 |               |                   |                    |
//!          [ port: Commands ] [ keys ]    [ ReadModels, pulse ]   [ EventLog ]   [ port: Uploads ]
//! ```
//!
//! It authenticates, authorises and parses, and it translates refusals. It decides nothing: every
//! rule is the model's, and what may be asked for is what the model's tables say.
//!
//! This crate must never know a broker's client or a hypervisor.
//!
//! Start reading at [`router`], then [`roles`] and [`command`].

pub mod around;
pub mod back_off;
pub mod batch;
pub mod body;
pub mod command;
pub mod desktop;
pub mod docs;
pub mod edge;
pub mod event;
pub mod fault;
pub mod first_admin;
mod follower;
pub mod foreign;
pub mod gate;
pub mod guard;
pub mod health;
pub mod limits;
pub mod look;
mod objects;
pub mod openapi;
pub mod operation;
mod own;
pub mod patience;
pub mod port;
pub mod principal;
pub mod problem;
pub mod reads;
pub mod rebuild;
pub mod roles;
pub mod router;
pub mod serve;
pub mod sign_in;
pub mod space;
pub mod tls;
pub mod upload;
pub mod viewer;

pub use edge::{Edge, Ports};
pub use first_admin::{FirstAdmin, FirstAdminError, first_admin};
pub use port::{Answered, Commands, Sent};

//! The edge of a real process: what it lets out, and what stays of somebody who was deleted.

mod canary;
mod deleted;
mod examples;
mod ports;
mod secrets;
mod server;
mod tls;
mod viewer;

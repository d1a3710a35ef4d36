//! A lab for one test: a libvirtd of its own, and guests that do as they are told.

pub(crate) mod guest;
pub(crate) mod lab;

//! Carrel on a real host: `carrel up --driver libvirt` with a libvirtd of the test's own, and guests
//! that say on their consoles how often they have booted. What there is, is asked from outside:
//! `virsh`, `qemu-img`, a viewer that signs in.

mod again;
mod faults;
mod job;
mod site;

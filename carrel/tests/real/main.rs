//! Carrel on a real host: `carrel up --driver libvirt` with a libvirtd of the test's own, and
//! guests that say on their consoles how often they have booted. What there is, is asked from
//! outside: `virsh`, `qemu-img`, a viewer that signs in.

#[cfg(test)]
mod adopt;
#[cfg(test)]
mod again;
#[cfg(test)]
mod displays;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod full;
#[cfg(test)]
mod guest;
#[cfg(test)]
mod job;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod late;
#[cfg(test)]
mod many;
#[cfg(test)]
mod network;
#[cfg(test)]
mod power;
#[cfg(test)]
mod room;
#[cfg(test)]
mod site;
#[cfg(test)]
mod storages;
#[cfg(test)]
mod upkeep;
#[cfg(test)]
mod uploads;
#[cfg(test)]
mod viewer;

//! The port on a real libvirtd with real guests, which boot from disks that its steps have made.

#[cfg(test)]
mod config;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod life;
#[cfg(test)]
mod people;
#[cfg(test)]
mod probes;

//! The real binary, as people and scripts call it.

#[cfg(test)]
mod change;
#[cfg(test)]
mod edge;
#[cfg(test)]
mod full;
#[cfg(test)]
mod guide;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod long;
#[cfg(test)]
mod look;
#[cfg(test)]
mod once;
#[cfg(test)]
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(test)]
mod process;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod screens;
#[cfg(test)]
mod site;
#[cfg(test)]
#[cfg(feature = "libvirt")]
mod storage;
#[cfg(test)]
mod twice;
#[cfg(test)]
mod upload;

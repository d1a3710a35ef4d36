//! The log's port, adapter by adapter: one suite of promises, and what each adapter adds to it.

#[cfg(test)]
mod archive;
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod directory;
#[cfg(test)]
mod embedded;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod moments;
#[cfg(test)]
mod portable;
#[cfg(test)]
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(test)]
mod reader;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod verify;

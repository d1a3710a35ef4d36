//! The bus and the pulse: one suite of promises over all adapters.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod memory;

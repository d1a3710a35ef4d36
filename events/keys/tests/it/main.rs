//! The keys: one suite of promises over all stores, and what each store and each part adds to it.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod directory;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod frozen;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod password;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod sealing;

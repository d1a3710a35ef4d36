//! `carrel log` as people and scripts call it: the real binary, on real logs.

#[cfg(test)]
mod change;
#[cfg(test)]
mod guide;
#[cfg(test)]
mod look;
#[cfg(test)]
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(test)]
mod scene;

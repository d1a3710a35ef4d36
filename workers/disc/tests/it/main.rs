//! What others read from the CD.

#[cfg(test)]
mod foreign;

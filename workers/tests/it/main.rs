//! A worker between a bus and a simulated host, all in one process, on a clock that tests turn.

#[cfg(test)]
mod crashes;
#[cfg(test)]
mod disturbed;
#[cfg(test)]
mod life;
#[cfg(test)]
mod people;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod spec;

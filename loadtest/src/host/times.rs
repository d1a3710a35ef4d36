//! How long each contestant has taken, turn by turn.

use serde_json::{Value, json};

use crate::figures::Spread;
use crate::report::number;

pub(super) struct Times {
    pub(super) who: String,
    /// Seconds.
    pub(super) turns: Vec<f64>,
}

impl Times {
    pub(super) const COLUMNS: [&'static str; 3] = ["", "seconds", "min..max"];

    pub(super) fn of(who: impl Into<String>) -> Self {
        Self { who: who.into(), turns: Vec::new() }
    }

    pub(super) fn spread(&self) -> Spread {
        Spread::of(self.turns.clone())
    }

    /// How many times as fast as another it was, turn by turn.
    pub(super) fn times(&self, other: &Self) -> Spread {
        let pairs = self.turns.iter().zip(&other.turns);
        Spread::of(pairs.map(|(own, other)| other / own).collect())
    }

    pub(super) fn row(&self) -> Vec<String> {
        let Spread { median, min, max } = self.spread();
        vec![self.who.clone(), number(median), format!("{}..{}", number(min), number(max))]
    }

    pub(super) fn figures(&self) -> Value {
        json!({ "who": self.who, "seconds": self.turns })
    }
}

#[cfg(test)]
mod tests {
    use super::Times;

    #[test]
    fn whoever_takes_half_the_time_is_twice_as_fast() {
        let of = |turns: &[f64]| Times { who: String::new(), turns: turns.to_vec() };
        assert_eq!(of(&[1.0, 2.0, 4.0]).times(&of(&[2.0, 4.0, 8.0])).median, 2.0);
    }
}

//! Medians, and goals.

/// What several rounds gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of nothing, nothing is known.
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |nth: usize| values.get(nth).copied().unwrap_or(f64::NAN);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(at(middle.saturating_sub(1)), at(middle))
        } else {
            at(middle)
        };
        Self { median, min: at(0), max: at(values.len().saturating_sub(1)) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// A figure that somebody relies on.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) figure: f64,
    pub(crate) unit: &'static str,
    pub(crate) bound: Bound,
}

impl Goal {
    pub(crate) fn at_least(
        least: f64,
        unit: &'static str,
        what: impl Into<String>,
        figure: f64,
    ) -> Self {
        Self { what: what.into(), figure, unit, bound: Bound::AtLeast(least) }
    }

    pub(crate) fn at_most(
        most: f64,
        unit: &'static str,
        what: impl Into<String>,
        figure: f64,
    ) -> Self {
        Self { what: what.into(), figure, unit, bound: Bound::AtMost(most) }
    }

    pub(crate) fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtLeast(least) => self.figure >= least,
            Bound::AtMost(most) => self.figure <= most,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert!(Spread::of(Vec::new()).median.is_nan());
    }

    #[test]
    fn a_figure_that_is_not_known_meets_no_goal() {
        assert!(!Goal::at_least(1.0, "x", "unknown", f64::NAN).is_met());
        assert!(!Goal::at_most(1.0, "x", "unknown", f64::NAN).is_met());
    }
}

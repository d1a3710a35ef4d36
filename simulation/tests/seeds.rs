//! Three hundred seeds, in ten parts that run beside each other, and those that once found
//! something.

use std::ops::Range;

use carrel_simulation::{How, simulate};

/// Making rows takes as long as the rest: each so many seeds.
const ROWS_EVERY: u64 = 6;

fn all_hold(seeds: Range<u64>) {
    for seed in seeds {
        let how = How { with_rows: seed.is_multiple_of(ROWS_EVERY), prints: false };
        if let Err(failed) = simulate(seed, how) {
            panic!("{failed}");
        }
    }
}

macro_rules! parts {
    ($($name:ident $seeds:expr;)*) => {$(
        #[test]
        fn $name() {
            all_hold($seeds);
        }
    )*};
}

parts! {
    all_converges_from_seeds_0_to_29 0..30;
    all_converges_from_seeds_30_to_59 30..60;
    all_converges_from_seeds_60_to_89 60..90;
    all_converges_from_seeds_90_to_119 90..120;
    all_converges_from_seeds_120_to_149 120..150;
    all_converges_from_seeds_150_to_179 150..180;
    all_converges_from_seeds_180_to_209 180..210;
    all_converges_from_seeds_210_to_239 210..240;
    all_converges_from_seeds_240_to_269 240..270;
    all_converges_from_seeds_270_to_299 270..300;
}

#[test]
fn what_once_went_wrong_does_not_go_wrong_again() {
    for line in include_str!("../regressions").lines() {
        let seed = line.split_whitespace().next().filter(|word| !word.starts_with('#'));
        if let Some(seed) = seed {
            let seed: u64 = seed.parse().expect("a line begins with a seed");
            all_hold(seed..seed + 1);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_log() {
    for seed in [1, 2, 3] {
        let how = How::default();
        let [one, other] = [simulate(seed, how), simulate(seed, how)];
        let link = |it: Result<carrel_simulation::Report, carrel_simulation::Failed>| {
            it.unwrap_or_else(|failed| panic!("{failed}")).link
        };
        assert_eq!(link(one), link(other), "seed {seed}");
    }
}

//! Intervals, tests and sample sizes against scipy and statsmodels (`oracle/golden_comparison.py`).

use serde::Deserialize;
use stepladder_comparison::{Pairs, independent_interval, photos_to_tell_apart, wilson_interval};

#[derive(Deserialize)]
struct Golden {
    wilson: Vec<Wilson>,
    newcombe: Vec<Newcombe>,
    pairs: Vec<Paired>,
    planning: Vec<Planning>,
}

#[derive(Deserialize)]
struct Wilson {
    right: usize,
    images: usize,
    interval: [f64; 2],
}

#[derive(Deserialize)]
struct Newcombe {
    first: (usize, usize),
    second: (usize, usize),
    interval: [f64; 2],
}

#[derive(Deserialize)]
struct Paired {
    pairs: Pairs,
    p_value: f64,
    interval: [f64; 2],
}

#[derive(Deserialize)]
struct Planning {
    difference: f64,
    discordant: f64,
    photos: u64,
    power: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/comparison.json")).unwrap()
}

/// Asserts that two intervals agree to `digits`.
fn same(found: [f64; 2], expected: [f64; 2], within: f64, what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < within,
            "{what}: {found} and not {expected}"
        );
    }
}

#[test]
fn wilsons_intervals_are_those_of_statsmodels() {
    for case in golden().wilson {
        let found = wilson_interval(case.right, case.images);
        same(
            found,
            case.interval,
            1e-11,
            &format!("{} of {}", case.right, case.images),
        );
    }
}

#[test]
fn newcombes_intervals_are_those_of_statsmodels() {
    for case in golden().newcombe {
        let found = independent_interval(case.first, case.second);
        same(
            found,
            case.interval,
            1e-11,
            &format!("{:?} and {:?}", case.first, case.second),
        );
    }
}

#[test]
fn mcnemars_test_is_that_of_statsmodels() {
    for case in golden().pairs {
        let found = case.pairs.p_value();
        let error = (found - case.p_value).abs() / case.p_value;
        assert!(
            error < 1e-10,
            "{:?}: {found} and not {}",
            case.pairs,
            case.p_value
        );
    }
}

#[test]
fn tangos_intervals_follow_from_the_likelihood() {
    // The oracle maximizes numerically, hence the tolerance.
    for case in golden().pairs {
        same(
            case.pairs.interval(),
            case.interval,
            1e-6,
            &format!("{:?}", case.pairs),
        );
    }
}

#[test]
fn connors_numbers_have_the_power_that_they_promise() {
    for case in golden().planning {
        assert_eq!(
            photos_to_tell_apart(case.difference, case.discordant),
            Some(case.photos)
        );
        // Of the exact test, which is a little less powerful than the formula's.
        assert!((0.77..0.82).contains(&case.power), "{}", case.power);
    }
}

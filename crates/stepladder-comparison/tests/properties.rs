//! What must hold of any two classifiers.

use proptest::prelude::*;
use stepladder_comparison::{
    Answers, Pairs, Verdict, compare, independent_interval, photos_to_tell_apart, wilson_interval,
};

/// The normal quantile of 97.5%.
const Z: f64 = 1.959_963_984_540_054;

prop_compose! {
    fn pairs()(both in 0_usize..2000, only_first in 0_usize..300, only_second in 0_usize..300, neither in 0_usize..2000) -> Pairs {
        Pairs { both, only_first, only_second, neither }
    }
}

/// The same two, the other way around.
fn swapped(pairs: Pairs) -> Pairs {
    Pairs {
        only_first: pairs.only_second,
        only_second: pairs.only_first,
        ..pairs
    }
}

proptest! {
    #[test]
    fn an_interval_holds_what_was_seen(pairs in pairs()) {
        let [low, high] = pairs.interval();
        prop_assert!(-1.0 <= low && low <= pairs.difference());
        prop_assert!(pairs.difference() <= high && high <= 1.0);
    }

    #[test]
    fn the_order_of_the_two_changes_the_sign_and_nothing_else(pairs in pairs()) {
        let ([low, high], [other_low, other_high]) = (pairs.interval(), swapped(pairs).interval());
        prop_assert!((low + other_high).abs() < 1e-12 && (high + other_low).abs() < 1e-12);
        prop_assert_eq!(pairs.p_value(), swapped(pairs).p_value());
    }

    #[test]
    fn tangos_interval_excludes_0_exactly_where_mcnemars_statistic_says_so(pairs in pairs()) {
        let (first, second) = (pairs.only_first as f64, pairs.only_second as f64);
        let statistic = (second - first) / (first + second).max(1.0).sqrt();
        prop_assume!((statistic.abs() - Z).abs() > 1e-6);
        prop_assert_eq!(Verdict::of(pairs.interval()) != Verdict::WithinNoise, statistic.abs() > Z);
    }

    #[test]
    fn more_photos_of_the_same_kind_narrow_the_interval(pairs in pairs(), times in 2_usize..5) {
        prop_assume!(pairs.photos() > 0);
        let more = Pairs {
            both: pairs.both * times,
            only_first: pairs.only_first * times,
            only_second: pairs.only_second * times,
            neither: pairs.neither * times,
        };
        let width = |pairs: Pairs| pairs.interval()[1] - pairs.interval()[0];
        prop_assert!(width(more) < width(pairs));
    }

    #[test]
    fn a_p_value_is_a_probability(first in 0_usize..5000, second in 0_usize..5000) {
        let pairs = Pairs { only_first: first, only_second: second, ..Pairs::default() };
        prop_assert!((0.0..=1.0).contains(&pairs.p_value()));
        if first.abs_diff(second) < 2 {
            prop_assert!((pairs.p_value() - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_share_lies_in_its_interval(images in 1_usize..100_000, share in 0.0..=1.0_f64) {
        let right = (share * images as f64) as usize;
        let [low, high] = wilson_interval(right, images);
        let share = right as f64 / images as f64;
        prop_assert!(0.0 <= low && low <= share + 1e-12 && share <= high + 1e-12 && high <= 1.0);
    }

    #[test]
    fn an_unpaired_interval_holds_its_difference(a in 1_usize..500, b in 1_usize..500, x in 0.0..=1.0_f64, y in 0.0..=1.0_f64) {
        let (first, second) = (((x * a as f64) as usize, a), ((y * b as f64) as usize, b));
        let [low, high] = independent_interval(first, second);
        let difference = second.0 as f64 / b as f64 - first.0 as f64 / a as f64;
        prop_assert!(low <= difference + 1e-12 && difference <= high + 1e-12);
        prop_assert!(low >= -1.0 - 1e-12 && high <= 1.0 + 1e-12);
    }

    #[test]
    fn fewer_discordant_photos_take_fewer_photos(difference in 0.001..0.2_f64, low in 0.0..0.5_f64, more in 0.0..0.5_f64) {
        let photos = |discordant| photos_to_tell_apart(difference, discordant).unwrap();
        prop_assert!(photos(low) <= photos(low + more));
        // Never fewer than the photos on which a two-sided exact test can reject at all.
        prop_assert!(photos(low) >= 6);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_answers_can_be_compared(
        photos in 1_usize..60,
        (first_seeds, second_seeds) in (1_usize..4, 1_usize..4),
        bits in proptest::collection::vec(any::<bool>(), 6 * 60),
    ) {
        let take = |from: usize, seeds: usize| Answers {
            seeds: (0..seeds).map(|s| bits[(from + s) * 60..][..photos].to_vec()).collect(),
        };
        let comparison = compare(&take(0, first_seeds), &take(3, second_seeds), 1);
        let [low, high] = comparison.interval;
        prop_assert!(-1.0 <= low && low < high && high <= 1.0);
        prop_assert!(comparison.difference.abs() <= comparison.discordant + 1e-12);
        prop_assert_eq!(comparison.photos, photos);
        prop_assert_eq!(comparison.seeds, first_seeds.min(second_seeds));
        prop_assert_eq!(&comparison, &compare(&take(0, first_seeds), &take(3, second_seeds), 1));
    }
}

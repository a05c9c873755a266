//! Any rung, written whole and read again, is equal to itself, to the last bit of every number.

mod strategies;

use proptest::prelude::*;
use stepladder_model::{Rung, RungCatalog, diff};
use strategies::rung;

proptest! {
    #[test]
    fn a_rung_written_and_read_again_is_equal(rung in rung()) {
        let toml = rung.to_toml();
        let again = Rung::from_toml(&toml, "again.toml", &RungCatalog::shipped());
        let again = again.map_err(|error| TestCaseError::fail(format!("{error}\n{toml}")))?;
        prop_assert_eq!(&again, &rung, "{}", toml);
        prop_assert_eq!(again.to_toml(), toml);
    }

    #[test]
    fn two_rungs_differ_exactly_where_the_difference_says(first in rung(), second in rung()) {
        prop_assert_eq!(diff(&first, &first), []);
        let settings = Rung { layers: first.layers.clone(), defaults: first.defaults.clone(), ..second.clone() };
        let same = diff(&first, &settings).is_empty();
        let merged = Rung {
            name: first.name.clone(),
            parent: first.parent.clone(),
            change: first.change.clone(),
            about: first.about.clone(),
            deck: first.deck.clone(),
            allow: first.allow.clone(),
            ..settings
        };
        prop_assert_eq!(same, merged == first);
        diff(&first, &second);
    }
}

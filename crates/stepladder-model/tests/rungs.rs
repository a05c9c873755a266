//! The shipped rungs: that each is its parent with exactly the stated change, that they fit the sizes they are meant
//! for, and what they look like.

use std::collections::BTreeSet;
use stepladder_model::{
    ImageSize, Initializer, Op, OptimizerConfig, Rung, RungCatalog, ShippedRung, Units, beyond, diff, family,
    pretrained, shipped, variants,
};

/// The ladder and the variants.
fn all() -> impl Iterator<Item = &'static ShippedRung> {
    shipped().iter().chain(variants())
}

fn rung(name: &str) -> Rung {
    RungCatalog::shipped().get(name).unwrap()
}

fn diff_text(rung: &Rung) -> String {
    let parent = rung.parent_rung(&RungCatalog::shipped()).unwrap().unwrap();
    diff(&parent, rung)
        .iter()
        .map(|difference| format!("{difference}\n"))
        .collect()
}

#[test]
fn all_can_be_read_under_their_own_names_in_ladder_order() {
    let ladder: Vec<&str> = shipped().iter().map(|rung| rung.name).collect();
    let expected = "baseline m3 m4 m5 he-normal m6-no-bn m6 m7 m9 m10 m13 lr-study m17 m20";
    assert_eq!(ladder.join(" "), expected);
    let mut before = Vec::new();
    for shipped in all() {
        let rung = rung(shipped.name);
        assert_eq!(rung.name, shipped.name);
        assert!(
            rung.about.is_some(),
            "{} does not say what is the deck's",
            rung.name
        );
        assert!(!rung.change.is_empty());
        if let Some(parent) = &rung.parent {
            assert!(
                before.contains(parent),
                "{} comes before its parent {parent}",
                rung.name
            );
        }
        before.push(rung.name);
    }
}

#[test]
fn all_fit_small_and_large_photos() {
    for shipped in all() {
        for size in [32, 48, 64, 96, 100, 128, 224, 512] {
            let graph = rung(shipped.name).graph(size, 5).unwrap();
            // What Adam keeps of each parameter, in bytes, against the 16 GB of the accelerators of the deck's time.
            assert!(
                graph.parameter_count() * 16 < 8 << 30,
                "{} at {size}",
                shipped.name
            );
        }
    }
}

#[test]
fn all_say_the_same_when_written_whole_and_read_again() {
    for shipped in all() {
        let rung = rung(shipped.name);
        let again = Rung::from_toml(&rung.to_toml(), "again.toml", &RungCatalog::shipped()).unwrap();
        assert_eq!(rung, again);
    }
}

#[test]
fn baseline_on_mnist_has_the_parameters_that_keras_counts() {
    let graph = rung("baseline").graph(28, 10).unwrap();
    // Keras: 896 + 18,496 + 16,010 with three channels.
    assert_eq!(graph.parameter_count(), 35_402);
    assert_eq!(graph.trainable_parameter_count(), 35_402);
}

#[test]
fn m3_has_one_dense_layer_of_4096_units() {
    let layers = rung("m3").layers.into_iter();
    let dense: Vec<_> = layers.filter_map(|spec| spec.layer.units()).collect();
    assert_eq!(dense, [Units::Count(4096), Units::Classes]);
}

#[test]
fn m4_has_more_convolutions_and_more_filters_than_m3_and_nothing_else() {
    let filters = |name: &str| -> Vec<usize> {
        let graph = rung(name).graph(64, 5).unwrap();
        let convolutions = graph.operations.iter();
        let convolutions = convolutions.filter(|operation| matches!(operation.op, Op::Convolution { .. }));
        convolutions
            .map(|operation| operation.output.channels())
            .collect()
    };
    let (m3, m4) = (filters("m3"), filters("m4"));
    assert!(m4.len() > m3.len());
    assert!(m4.iter().max() > m3.iter().max());
    assert!(m4.iter().sum::<usize>() > m3.iter().sum());
    let same = Rung {
        layers: rung("m3").layers,
        ..rung("m4")
    };
    assert_eq!(diff(&rung("m3"), &same), []);
}

#[test]
fn m5_differs_from_m4_in_the_optimizer_alone() {
    assert_eq!(
        diff_text(&rung("m5")),
        "- optimizer.type = \"nadam\"\n+ optimizer.type = \"adam\"\n"
    );
    assert!(matches!(rung("m4").optimizer, OptimizerConfig::Nadam { .. }));
    assert!(matches!(rung("m5").optimizer, OptimizerConfig::Adam { .. }));
    assert_eq!(rung("m4").layers, rung("m5").layers);
}

#[test]
fn he_normal_differs_from_m5_in_the_initializer_alone() {
    assert_eq!(
        diff_text(&rung("he-normal")),
        "- defaults.kernel_initializer = \"glorot_uniform\"\n+ defaults.kernel_initializer = \"he_normal\"\n"
    );
    let graph = rung("he-normal").graph(64, 5).unwrap();
    for parameter in &graph.parameters {
        let expected = if parameter.name.ends_with("/kernel") {
            Initializer::HeNormal
        } else {
            Initializer::Zeros
        };
        assert_eq!(parameter.initializer, expected, "{}", parameter.name);
    }
}

#[test]
fn summaries_at_the_decks_size() {
    for shipped in all() {
        let graph = rung(shipped.name).graph(512, 5).unwrap();
        insta::assert_snapshot!(format!("summary_{}", shipped.name), graph.summary());
    }
}

#[test]
fn differences_from_the_parents() {
    // `diff` of m5 and of he-normal is spelt out above.
    for name in all()
        .map(|rung| rung.name)
        .filter(|name| !["baseline", "m5", "he-normal"].contains(name))
    {
        insta::assert_snapshot!(format!("diff_{name}"), diff_text(&rung(name)));
    }
}

/// Each list of layers in the guide, and the table that it shows of the first.
#[test]
fn the_guides_rungs_can_be_read_and_look_as_it_says() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guides/write-a-rung.md");
    let page = std::fs::read_to_string(page).unwrap().replace("\r\n", "\n");
    let mut tables = page.split("```toml\n").skip(1).map(|block| {
        let toml = block.split("```").next().unwrap();
        let toml = if toml.starts_with("name") {
            toml.to_owned()
        } else {
            format!("name = \"mine\"\nparent = \"baseline\"\nchange = \"..\"\n{toml}")
        };
        let rung = Rung::from_toml(&toml, "mine.toml", &RungCatalog::shipped()).unwrap();
        rung.graph(64, 5).unwrap().summary()
    });
    let wider = tables.next().unwrap();
    assert!(page.contains(&wider), "{wider}");
    assert!(tables.count() >= 2);
}

#[test]
fn a_whole_rung_as_toml() {
    insta::assert_snapshot!(rung("he-normal").to_toml());
}

#[test]
fn a_rung_as_json_has_the_words_of_the_file() {
    let json = serde_json::to_value(rung("he-normal")).unwrap();
    assert_eq!(json["optimizer"]["type"], "adam");
    assert_eq!(json["optimizer"]["learning_rate"], 0.001);
    assert_eq!(json["layers"][0]["filters"], 32);
}

/// Differences of a rung of the second ladder from `small`: one, or several of one table or one layer.
#[test]
fn each_rung_beyond_is_small_with_one_ingredient_less_or_more() {
    for shipped in beyond() {
        let rung = rung(shipped.name);
        assert_eq!(rung.parent.as_deref(), Some("small"), "{}", rung.name);
        let text = diff_text(&rung);
        let tables: BTreeSet<&str> = text
            .lines()
            .map(|line| line[2..].split(['.', ' ']).next().unwrap())
            .collect();
        assert_eq!(tables.len(), 1, "{}:\n{text}", rung.name);
    }
}

#[test]
fn the_last_rungs_differ_in_their_start_and_in_how_they_learn_from_it() {
    let changed = |name: &str| diff_text(&rung(name));
    let features = changed("features");
    assert!(
        features.lines().all(|line| line[2..].starts_with("start")),
        "{features}"
    );
    let tables = [
        "start",
        "optimizer",
        "schedule",
        "training",
        "evaluation",
        "early_stopping",
    ];
    let tuned = changed("fine-tuned");
    let is_of_learning = |line: &str| tables.iter().any(|table| line[2..].starts_with(table));
    assert!(tuned.lines().all(is_of_learning), "{tuned}");
    assert_eq!(pretrained().len(), 2);
}

#[test]
fn the_family_and_the_second_ladder_fit_each_phase() {
    for shipped in family().iter().chain(beyond()) {
        let rung = rung(shipped.name);
        let sizes = rung.phases.iter().map(|phase| phase.size);
        let parameters = |size: ImageSize| rung.graph(size, 7).unwrap().parameters;
        for size in sizes {
            assert_eq!(parameters(size), parameters(rung.input.size), "{}", rung.name);
        }
    }
    let count = |name: &str| rung(name).graph(128, 5).unwrap().trainable_parameter_count() / 10_000;
    assert_eq!(["small", "medium", "large"].map(count), [196, 441, 784]);
}

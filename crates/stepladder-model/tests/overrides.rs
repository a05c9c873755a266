//! `--set key=value`: the same words as in the file, and the same care with mistakes.

use stepladder_model::{OptimizerConfig, Rung, RungCatalog, Units, diff};

fn rung() -> Rung {
    RungCatalog::shipped().get("m5").unwrap()
}

fn set(key: &str, value: &str) -> Rung {
    rung().with_override(key, value).unwrap()
}

#[test]
fn values_are_written_as_in_the_file_and_text_needs_no_quotes() {
    assert_eq!(
        set("optimizer.learning_rate", "3e-3").optimizer.learning_rate(),
        0.003
    );
    assert_eq!(
        set("optimizer.learning_rate", ".25").optimizer.learning_rate(),
        0.25
    );
    assert_eq!(set("training.epochs", "7").training.epochs, 7);
    let mine = set("defaults.kernel_initializer", "he_normal");
    assert_eq!(mine, set("defaults.kernel_initializer", "\"he_normal\""));
    assert_eq!(
        mine.layers,
        RungCatalog::shipped().get("he-normal").unwrap().layers
    );
}

#[test]
fn a_new_type_starts_its_table_afresh() {
    let rung = set("optimizer.type", "sgd");
    assert_eq!(rung.optimizer.learning_rate(), 0.01);
    let rung = rung.with_override("optimizer.momentum", "0.9").unwrap();
    assert!(matches!(
        rung.optimizer,
        OptimizerConfig::Sgd { momentum: 0.9, .. }
    ));
    let same = set("optimizer.learning_rate", "0.5")
        .with_override("optimizer.type", "adam")
        .unwrap();
    assert_eq!(same.optimizer.learning_rate(), 0.5);
}

#[test]
fn parts_can_be_added_and_taken_away() {
    assert_eq!(set("early_stopping", "false").early_stopping, None);
    assert_eq!(
        set("augmentation.rotation_range", "9")
            .augmentation
            .unwrap()
            .rotation_range,
        9.0
    );
    assert_eq!(
        set("reduce_lr_on_plateau.patience", "4")
            .reduce_lr_on_plateau
            .unwrap()
            .patience,
        4
    );
}

#[test]
fn layers_are_found_by_index_and_by_name() {
    // No layer of this rung is augmentation, so that the graph has the same numbers.
    let filters = |rung: &Rung, layer: usize| rung.graph(64, 5).unwrap().layer_output(layer).channels();
    assert_eq!(filters(&set("layers[4].filters", "7"), 4), 7);
    assert_eq!(filters(&set("layers.conv2d_2.filters", "7"), 4), 7);
    let named = set("layers.conv2d_2.name", "third")
        .with_override("layers.third.filters", "9")
        .unwrap();
    assert_eq!(filters(&named, 4), 9);
    let whole = set("layers[14]", "{ layer = \"Dense\", units = 5 }");
    assert_eq!(whole.layers[14].layer.units(), Some(Units::Count(5)));
}

#[test]
fn padding_in_pixels_is_written_in_its_shortest_form() {
    let window = |padding: &str| {
        let rung = set("layers.conv2d.padding", padding);
        let Some(window) = rung.graph(64, 5).unwrap().operations[0].op.window() else {
            panic!("the first operation has a window")
        };
        (
            window.padding,
            diff(&self::rung(), &rung)[0].after.clone().unwrap(),
        )
    };
    assert_eq!(window("1"), ([[1, 1], [1, 1]], "1".to_owned()));
    assert_eq!(window("[1, 2]"), ([[1, 1], [2, 2]], "[1, 2]".to_owned()));
    assert_eq!(window("[[2, 2], [2, 2]]"), ([[2, 2], [2, 2]], "2".to_owned()));
    assert_eq!(
        window("[[0, 1], [2, 0]]"),
        ([[0, 1], [2, 0]], "[[0, 1], [2, 0]]".to_owned())
    );
}

#[test]
fn several_values_need_make_sense_only_together() {
    // Five poolings do not fit 16 pixels, and a window of 1 leaves the size as it is.
    assert!(rung().with_override("input.size", "16").is_err());
    let both = rung()
        .with_overrides([("input.size", "16"), ("layers.max_pooling2d.pool_size", "1")])
        .unwrap();
    assert_eq!(both.input.size, 16.into());
}

#[test]
fn where_it_was_read_from_stays() {
    assert_eq!(set("training.epochs", "7").place.to_string(), "m5.toml:1");
}

#[test]
fn mistakes_are_told_as_those_of_a_file() {
    let message = |key: &str, value: &str| match rung().with_override(key, value) {
        Ok(_) => panic!("{key}={value} is taken"),
        Err(error) => error.to_string(),
    };
    let cases = [
        ("optimizer.learning_rte", "1"),
        ("optimizer.learning_rate", "fast"),
        ("optimizer.type", "lars"),
        ("optimiser.type", "adam"),
        ("optimizer", "sgd"),
        ("training.epochs.more", "1"),
        ("training..epochs", "1"),
        ("", "1"),
        ("parent", "m4"),
        ("layers[99].filters", "1"),
        ("layers[x].filters", "1"),
        ("layers.conv2d_99.filters", "1"),
        ("layers.pool.filters", "1"),
        ("layers.conv2d.filter", "1"),
        ("layers.conv2d.filters.more", "1"),
        ("layers.conv2d.kernel_size", "[3, 0]"),
        ("layers.max_pooling2d.pool_size", "600"),
        ("layers.dense_1.activation", "relu"),
        ("layers", "all"),
        ("early_stopping", "true"),
        ("input.size", "0"),
        ("split.test", "0.95"),
    ];
    let messages = cases.map(|(key, value)| format!("--set {key}={value}\n    {}", message(key, value)));
    let text = messages.join("\n");
    insta::assert_snapshot!(text);
}

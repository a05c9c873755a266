//! The table `[start]`: what it means, what is inherited, and what is refused with the line.

use stepladder_model::{Frozen, Head, Rung, RungCatalog, Start};

fn rung(tables: &str) -> Result<Rung, String> {
    let toml = format!("name = \"test\"\nparent = \"m13\"\nchange = \"test\"\n{tables}");
    Rung::from_toml(&toml, "test.toml", &RungCatalog::shipped()).map_err(|error| error.to_string())
}

#[test]
fn weights_alone_mean_a_frozen_backbone_and_an_exact_head() {
    let start = rung("[start]\nweights = \"shipped\"\n").unwrap().start.unwrap();
    assert_eq!(start, Start::new("shipped"));
    assert!(start.is_exact() && start.frozen_statistics && start.learning_rate_decay == 1.0);
    let kept = rung("[start]\nweights = \"run:runs/a\"\nhead = \"by_class_name\"\n")
        .unwrap()
        .start
        .unwrap();
    assert_eq!((kept.head, kept.exact_head), (Head::ByClassName, false));
    assert_eq!(rung("start = false").unwrap().start, None);
}

#[test]
fn frozen_may_be_a_layer_of_the_rung() {
    let name = RungCatalog::shipped().get("m13").unwrap().layer_names()[3].clone();
    let start = rung(&format!("[start]\nweights = \"shipped\"\nfrozen = \"{name}\"\n"))
        .unwrap()
        .start
        .unwrap();
    assert_eq!(start.frozen, Frozen::UpTo(name));
    assert!(!start.is_exact());
}

#[test]
fn the_command_line_starts_a_rung_that_says_nothing_of_it() {
    let plain = rung("").unwrap();
    let started = plain
        .with_overrides([
            ("start.weights", "shipped"),
            ("start.frozen", "none"),
            ("start.learning_rate_decay", "0.5"),
        ])
        .unwrap();
    let start = started.start.clone().unwrap();
    assert_eq!((start.frozen, start.learning_rate_decay), (Frozen::None, 0.5));
    assert_eq!(started.with_override("start", "false").unwrap(), plain);
}

#[test]
fn mistakes_are_told_with_the_line() {
    for (keys, expected) in [
        ("", "weights"),
        ("weights = 3", "weights"),
        (
            "weights = \"shipped\"\nfrozen = \"bakbone\"",
            "did you mean `backbone`?",
        ),
        ("weights = \"shipped\"\nhead = \"old\"", "new, by_class_name"),
        (
            "weights = \"shipped\"\nlearning_rate_decay = 0",
            "greater than 0, and at most 1",
        ),
        (
            "weights = \"shipped\"\nlearning_rate_decay = 1.5",
            "greater than 0, and at most 1",
        ),
        ("weights = \"shipped\"\nsha256 = \"abc\"", "64 hexadecimal digits"),
        ("weights = \"shipped\"\nfreeze = true", "freeze"),
    ] {
        let message = rung(&format!("[start]\n{keys}\n")).unwrap_err();
        assert!(
            message.contains("test.toml") && message.contains(expected),
            "{keys}: {message}"
        );
    }
}

#[test]
fn what_is_passed_on_names_no_folder() {
    for (weights, expected) in [
        ("run:/home/ann/runs/flowers-1", "run:flowers-1"),
        ("/home/ann/resnet18.safetensors", "resnet18.safetensors"),
        ("shipped", "shipped"),
        ("hf:timm/resnet18.a1_in1k", "hf:timm/resnet18.a1_in1k"),
    ] {
        let text = format!("[start]\nweights = \"{weights}\"\n");
        let passed_on = rung(&text).unwrap().without_paths();
        assert_eq!(passed_on.start.unwrap().weights, expected);
    }
}

/// The head is trained at the full rate, and each stage below it more slowly.
#[test]
fn rates_fall_from_stage_to_stage() {
    let graph = RungCatalog::shipped()
        .get("efficientnet-lite0")
        .unwrap()
        .graph(64, 5)
        .unwrap();
    let factors = graph.learning_rate_factors(0.5);
    let of = |name: &str| {
        factors[graph
            .parameters
            .iter()
            .position(|spec| spec.name == name)
            .unwrap()]
    };
    let head = graph.head().unwrap();
    let head = graph.operations[head].op.parameters()[0];
    assert_eq!(factors[head.0], 1.0);
    assert_eq!(of("conv_head/kernel"), 0.5);
    assert_eq!(of("conv_stem/kernel"), 0.5_f32.powi(5));
    assert!(factors.is_sorted());
    assert!(
        graph
            .learning_rate_factors(1.0)
            .iter()
            .all(|factor| *factor == 1.0)
    );
}

#[test]
fn a_frozen_backbone_leaves_the_head_to_train() {
    let graph = RungCatalog::shipped()
        .get("efficientnet-lite0")
        .unwrap()
        .graph(64, 5)
        .unwrap();
    let layers = graph.frozen_layers(&Frozen::Backbone);
    let frozen = graph.freeze(layers, true);
    assert_eq!(frozen.trainable_parameter_count(), 1280 * 5 + 5);
}

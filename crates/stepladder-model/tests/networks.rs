//! The shipped networks: that they are what they are called, fit usual sizes, and say nothing that a lint would.

use stepladder_model::{Rung, RungCatalog, lint, networks};

/// Each network, and its parameters for 1000 classes as timm 1.0.31 counts them (`sum(p.numel() for p in model.parameters())`, of
/// RepVGG behind `reparameterize_model`).
const PARAMETERS: &[(&str, u64)] = &[
    ("mobilenetv3-small", 2_542_856),
    ("mobilenetv4-small", 3_774_024),
    ("regnetx-002", 2_684_792),
    ("mobilenetv3-large", 5_483_032),
    ("mobilenetv2", 3_504_872),
    ("efficientnet-lite0", 4_652_008),
    ("regnetx-004", 5_157_512),
    ("convnext-atto", 3_695_520),
    ("mobilenetv1", 4_231_976),
    ("repvgg-a0", 8_309_384),
    ("resnet18", 11_689_512),
    ("resnet18d", 11_708_744),
    ("resnet34", 21_797_672),
    ("resnet50", 25_557_032),
];

fn rungs() -> impl Iterator<Item = Rung> {
    let catalog = RungCatalog::shipped();
    networks().iter().map(move |shipped| {
        let rung = catalog.get(shipped.name).unwrap();
        assert_eq!(rung.name, shipped.name);
        rung
    })
}

#[test]
fn they_have_as_many_parameters_as_in_timm() {
    let graph = |rung: Rung| (rung.name.clone(), rung.graph(224, 1000).unwrap());
    let counted: Vec<(String, u64)> = rungs()
        .map(graph)
        .map(|(name, graph)| (name, graph.trainable_parameter_count()))
        .collect();
    let expected: Vec<(String, u64)> = PARAMETERS
        .iter()
        .map(|&(name, count)| (name.to_owned(), count))
        .collect();
    assert_eq!(counted, expected);
}

#[test]
fn they_come_from_few_multiplications_to_many() {
    let costs: Vec<u64> = rungs()
        .map(|rung| rung.graph(224, 1000).unwrap().multiply_adds())
        .collect();
    assert!(costs.is_sorted(), "{costs:?}");
}

#[test]
fn they_fit_small_and_large_photos() {
    for rung in rungs() {
        for size in [32, 48, 64, 96, 100, 128, 160, 224, 288, 512] {
            assert!(rung.graph(size, 5).is_ok(), "{} at {size}", rung.name);
        }
    }
}

#[test]
fn they_say_the_same_when_written_whole_and_read_again() {
    for rung in rungs() {
        let again = Rung::from_toml(&rung.to_toml(), "again.toml", &RungCatalog::shipped()).unwrap();
        assert_eq!(rung, again);
    }
}

#[test]
fn no_lint_has_anything_to_say() {
    for rung in rungs() {
        for size in [64, 224] {
            assert_eq!(
                lint(&rung, &rung.graph(size, 5).unwrap(), &[]),
                [],
                "{}",
                rung.name
            );
        }
    }
}

#[test]
fn they_begin_with_a_normalization_and_end_with_a_layer_for_the_classes() {
    for rung in rungs() {
        let graph = rung.graph(64, 7).unwrap();
        assert_eq!(graph.layers[0].kind, "Normalization", "{}", rung.name);
        let last = graph.layers.last().unwrap();
        assert_eq!(last.kind, "Dense", "{}", rung.name);
        assert!(
            ["classifier", "fc", "head-fc"].contains(&last.name.as_str()),
            "{}",
            last.name
        );
        assert!(
            rung.about.is_some_and(|about| about.contains("timm's")),
            "{}",
            rung.name
        );
    }
}

/// The table of the reference has each network with its own figures.
#[test]
fn the_reference_tells_what_they_cost() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/networks.md");
    let page = std::fs::read_to_string(page).unwrap().replace("\r\n", "\n");
    // The first table; those below are of names.
    let table = page.split("\n## ").next().unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), networks().len());
    for (rung, row) in rungs().zip(rows) {
        let graph = rung.graph(224, 1000).unwrap();
        let parameters = graph.trainable_parameter_count() as f64 / 1e6;
        let multiply_adds = graph.multiply_adds() as f64 / 1e9;
        let expected = format!("| `{}` | {parameters:.1} | {multiply_adds:.2} |", rung.name);
        assert!(row.starts_with(&expected), "{row}\nand not\n{expected}");
    }
}

//! A rung file is hostile until it is read: whatever the text, the answer is a rung or an error, never a panic, and
//! what was read says the same when it is written and read again.

use proptest::prelude::*;
use proptest::sample::select;
use stepladder_model::{Graph, Rung, RungCatalog, Source, diff, fold_batch_norm, shipped};

/// Reads a text, and uses all that came of it.
fn try_out(toml: &str) {
    let catalog = RungCatalog::shipped();
    match Rung::from_toml(toml, "hostile.toml", &catalog) {
        Err(error) => {
            let message = error.to_string();
            assert!(
                message.len() < 2000 && !message.contains(char::is_control),
                "{message:?}"
            );
        }
        Ok(rung) => {
            for (size, classes) in [(1, 2), (64, 5), (512, 1000), (usize::MAX, usize::MAX)] {
                if let Ok(graph) = rung.graph(size, classes) {
                    graph.summary();
                    if size == 64 {
                        use_up(&graph);
                    }
                }
            }
            let again = Rung::from_toml(&rung.to_toml(), "again.toml", &catalog).unwrap();
            assert_eq!(again, rung);
            assert_eq!(diff(&rung, &again), []);
            diff(&catalog.get("m5").unwrap(), &rung);
        }
    }
}

/// Asks a graph for all that it can tell, and checks what those who compute with it rely on.
fn use_up(graph: &Graph) {
    serde_json::to_string(graph).unwrap();
    let mut names: Vec<String> = (0..graph.operations.len())
        .map(|index| graph.operation_name(index))
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(
        names.len(),
        graph.operations.len(),
        "names of operations are unique"
    );
    for (index, operation) in graph.operations.iter().enumerate() {
        for source in &operation.inputs {
            assert!(!matches!(*source, Source::Operation(from) if from >= index));
        }
        assert!(operation.output.count() > 0);
        assert!(operation.layer < graph.layers.len());
        if let Some(window) = operation.op.window() {
            let sides = window.padding.iter().zip(window.size);
            for (padding, side) in sides {
                assert!(padding.iter().all(|&pixels| pixels < side), "{window:?}");
            }
        }
    }
    let ids = graph
        .operations
        .iter()
        .flat_map(|operation| operation.op.parameters());
    assert!(ids.map(|id| id.0).eq(0..graph.parameters.len()));
    if graph.parameter_count() < 100_000 {
        let values = graph
            .parameters
            .iter()
            .map(|parameter| vec![1.0; parameter.count() as usize]);
        let (folded, values) = fold_batch_norm(graph, values.collect());
        assert_eq!(values.len(), folded.parameters.len());
        assert_eq!(folded.layers.len(), graph.layers.len());
    }
}

const WORDS: &[&str] = &[
    "name",
    "parent",
    "complete",
    "change",
    "layers",
    "layer",
    "input",
    "inputs",
    "filters",
    "kernel_size",
    "strides",
    "pool_size",
    "units",
    "padding",
    "groups",
    "keepdims",
    "mean",
    "variance",
    "initial_value",
    "activation",
    "rate",
    "factor",
    "type",
    "learning_rate",
    "epochs",
    "size",
    "Conv2D",
    "SeparableConv2D",
    "DepthwiseConv2D",
    "Dense",
    "Flatten",
    "Add",
    "Multiply",
    "Concatenate",
    "Normalization",
    "Scale",
    "StochasticDepth",
    "BlurPooling2D",
    "MaxPooling2D",
    "BatchNormalization",
    "GlobalAveragePooling2D",
    "RandomZoom",
    "RandomResizedCrop",
    "RandomErasing",
    "ColorJitter",
    "TrivialAugmentWide",
    "RandAugment",
    "random",
    "Dropout",
    "softmax",
    "relu",
    "leaky_relu",
    "same",
    "classes",
    "m5",
    "m5.toml",
    "image",
    "a",
    "b",
    "adam",
    "sgd",
    "cosine",
];

const TABLES: &[&str] = &[
    "optimizer",
    "schedule",
    "training",
    "early_stopping",
    "reduce_lr_on_plateau",
    "augmentation",
    "split",
    "start",
    "input",
    "defaults",
    "deck",
    "[layers]",
    "nothing",
];

/// Values that are as large, as small, and as odd as TOML allows.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => select(WORDS).prop_map(|word| format!("{word:?}")),
        2 => (0u32..10).prop_map(|number| number.to_string()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => any::<f64>().prop_map(|number| format!("{number:?}").replace("NaN", "nan")),
        1 => any::<bool>().prop_map(|flag| flag.to_string()),
        1 => Just("1979-05-27".to_owned()),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec((select(WORDS), inner), 0..6).prop_map(|entries| {
                let entries: Vec<String> = entries
                    .into_iter()
                    .map(|(key, value)| format!("\"{key}\" = {value}"))
                    .collect();
                format!("{{ {} }}", entries.join(", "))
            }),
        ]
    })
}

/// A file of lines that look like a rung's.
fn soup() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        4 => (select(WORDS), value()).prop_map(|(key, value)| format!("\"{key}\" = {value}\n")),
        1 => select(TABLES).prop_map(|table| format!("[{table}]\n")),
    ];
    let start = "name = \"a\"\nparent = \"m5\"\nchange = \"..\"\n";
    prop::collection::vec(line, 0..12).prop_map(move |lines| format!("{start}{}", lines.concat()))
}

/// A list of layers of which most are possible.
fn layers() -> impl Strategy<Value = String> {
    let number =
        || prop_oneof![8 => 1usize..9, 1 => Just(0), 1 => any::<u32>().prop_map(|number| number as usize)];
    // Mostly what a window of 3 takes.
    let padding = || {
        prop_oneof![
            4 => Just("\"same\"".to_owned()),
            4 => number().prop_map(|pixels| (pixels % 3).to_string()),
            1 => number().prop_map(|pixels| pixels.to_string()),
            2 => (number(), number()).prop_map(|(rows, columns)| format!("[{}, {columns}]", rows % 3)),
            2 => (number(), number()).prop_map(|(top, right)| format!("[[{}, 0], [1, {}]]", top % 3, right % 3)),
        ]
    };
    let plain = [
        "{ layer = \"BlurPooling2D\" }",
        "{ layer = \"LayerNormalization\" }",
        "{ layer = \"Scale\", initial_value = 1e-5 }",
        "{ layer = \"StochasticDepth\", rate = 0.1 }",
        "{ layer = \"Normalization\", mean = 0.5, variance = 0.25 }",
        "{ layer = \"Normalization\", mean = [0.5, 0.25, 1], variance = 0 }",
        "{ layer = \"Activation\", activation = \"linear\" }",
        "{ layer = \"Activation\", activation = \"hard_silu\" }",
        "{ layer = \"GlobalAveragePooling2D\", keepdims = true }",
        "{ layer = \"Multiply\", inputs = [\"image\", \"image\", \"image\"] }",
        "{ layer = \"Concatenate\", inputs = [\"image\", \"image\"] }",
    ];
    let middle = prop_oneof![
        6 => select(plain.to_vec()).prop_map(str::to_owned),
        2 => (number(), number(), padding(), number()).prop_map(|(filters, groups, padding, stride)| format!(
            "{{ layer = \"Conv2D\", filters = {filters}, kernel_size = 3, strides = {stride}, padding = {padding}, groups = {groups} }}"
        )),
        1 => (number(), padding()).prop_map(|(stride, padding)| format!(
            "{{ layer = \"AveragePooling2D\", pool_size = 3, strides = {stride}, padding = {padding} }}"
        )),
        1 => (number(), number(), number()).prop_map(|(filters, kernel, stride)| format!(
            "{{ layer = \"Conv2D\", filters = {filters}, kernel_size = {kernel}, strides = {stride}, padding = \"same\" }}"
        )),
        1 => (number(), number()).prop_map(|(filters, multiplier)| format!(
            "{{ layer = \"SeparableConv2D\", filters = {filters}, kernel_size = 3, depth_multiplier = {multiplier}, padding = \"same\" }}"
        )),
        1 => number().prop_map(|pool| format!("{{ layer = \"MaxPooling2D\", pool_size = {pool} }}")),
        1 => (0.0f32..1.2).prop_map(|rate| format!("{{ layer = \"Dropout\", rate = {rate:?} }}")),
        1 => (0.0f32..1.2).prop_map(|slope| format!(
            "{{ layer = \"Activation\", activation = {{ type = \"leaky_relu\", negative_slope = {slope:?} }} }}"
        )),
        1 => (0.0f32..1.2).prop_map(|momentum| format!("{{ layer = \"BatchNormalization\", momentum = {momentum:?} }}")),
        1 => Just("{ layer = \"Add\", inputs = [\"image\", \"image\"] }".to_owned()),
    ];
    prop::collection::vec(middle, 0..8).prop_map(|middle| {
        let middle: String = middle.into_iter().map(|layer| format!("{layer},\n")).collect();
        format!(
            "name = \"a\"\nparent = \"m5\"\nchange = \"..\"\nlayers = [\n{middle}{{ layer = \"Flatten\" }},\n{{ layer = \"Dense\", units = \"classes\", activation = \"softmax\" }} ]"
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_text(toml in any::<String>()) {
        try_out(&toml);
    }

    #[test]
    fn text_that_looks_like_a_rung(toml in soup()) {
        try_out(&toml);
    }

    #[test]
    fn networks_of_most_possible_layers(toml in layers()) {
        try_out(&toml);
    }

    #[test]
    fn damaged_rungs(index in 0usize..shipped().len(), at in any::<prop::sample::Index>(), cut in 0usize..9, put in ".{0,4}") {
        let rung = RungCatalog::shipped().get(shipped()[index].name).unwrap();
        let mut text: Vec<char> = rung.to_toml().chars().collect();
        let start = at.index(text.len());
        let end = (start + cut).min(text.len());
        text.splice(start..end, put.chars());
        try_out(&text.into_iter().collect::<String>());
    }

    #[test]
    fn arbitrary_options(key in "(optimizer|training|layers|layers\\[[0-9]{1,2}\\]|layers.conv2d|.{0,8})(\\.[a-z_]{0,12}){0,2}", text in value()) {
        let rung = RungCatalog::shipped().get("m5").unwrap();
        if let Ok(rung) = rung.with_override(&key, &text) {
            try_out(&rung.to_toml());
        }
    }
}

#[test]
fn names_that_would_move_the_cursor() {
    for place in [
        "name = X",
        "parent = X",
        "X = 1",
        "change = X",
        "layers = [{ layer = X }]",
        "allow = [X]",
    ] {
        try_out(&place.replace('X', "\"\\u001b[2J\""));
    }
    let start = "name = \"a\"\nparent = \"m5\"\nchange = \"..\"";
    let text = "\"\\u001b[2J\"";
    try_out(&format!(
        "{start}\nlayers = [{{ layer = \"Flatten\", input = {text} }}]"
    ));
    try_out(&format!(
        "{start}\nlayers = [{{ layer = \"Flatten\", input = \"{}\" }}]",
        "i".repeat(100_000)
    ));
    try_out(&format!(
        "{start}\nlayers = [{{ layer = \"Activation\", activation = {text} }}]"
    ));
    try_out(&format!("{start}\nabout = {text}"));
}

#[test]
fn deep_and_long_texts() {
    try_out(&format!(
        "layers = {}{}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    ));
    try_out(&format!("{}x = 1", "a.".repeat(100_000)));
    try_out(&format!("{} = 1", "k".repeat(200_000)));
    try_out(&format!("name = \"{}\"", "n".repeat(200_000)));
    try_out(
        &(0..20_000)
            .map(|index| format!("k{index}=1\n"))
            .collect::<String>(),
    );
    try_out(&format!(
        "name = \"a\"\nparent = \"m5\"\nchange = \"..\"\nlayers = [{}]",
        "{layer=\"Flatten\"},".repeat(2049)
    ));
    try_out(&format!(
        "name = \"a\"\nparent = \"m5\"\nchange = \"..\"\nlayers = [{}]",
        "{layer=\"Flatten\"},".repeat(2048)
    ));
}

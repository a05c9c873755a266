//! What is fused, in words.

use super::*;
use stepladder_model::{Rung, RungCatalog};

/// The steps in words, one a line.
fn plan(layers: &str) -> String {
    words(&graph(layers), Fusion::default())
}

fn graph(layers: &str) -> Graph {
    let toml = format!(
        "name = \"test\"\nchange = \"test\"\nlayers = [{layers}]\n[input]\nsize = 16\n[training]\nepochs = 1\n[optimizer]\ntype = \"adam\"\n"
    );
    let rung = Rung::from_toml(&toml, "test.toml", &RungCatalog::shipped()).unwrap();
    rung.graph(16, 3).unwrap()
}

fn words(graph: &Graph, fusion: Fusion) -> String {
    let name = |source: Source| match source {
        Source::Image => "image".to_string(),
        Source::Operation(index) => graph.operation_name(index),
    };
    let describe = |step: &Step| {
        let output = name(Source::Operation(step.output));
        match &step.kind {
            StepKind::Operation => output,
            StepKind::Activated {
                operation,
                activation,
            } => {
                format!(
                    "{output} = {}, {}",
                    name(Source::Operation(*operation)),
                    activation.name()
                )
            }
            StepKind::Epilogue(epilogue) => {
                let mut words = vec![name(epilogue.input)];
                words.extend(epilogue.norm.map(|norm| name(Source::Operation(norm))));
                words.extend(epilogue.skip.map(|skip| format!("+ {}", name(skip))));
                words.push(epilogue.activation.name().to_string());
                words.push(format!("{:?}", epilogue.pool));
                format!("  {output} = {}", words.join(", "))
            }
        }
    };
    fuse(graph, fusion)
        .iter()
        .map(describe)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_block_takes_one_pass_after_its_convolution() {
    let plan = plan(
        r#"
        { layer = "Conv2D", filters = 4, kernel_size = 3, padding = "same" },
        { layer = "BatchNormalization" },
        { layer = "Activation", activation = "swish" },
        { layer = "MaxPooling2D", pool_size = 2 },
        { layer = "GlobalAveragePooling2D" },
        { layer = "Dense", units = "classes", activation = "softmax" },"#,
    );
    assert_eq!(
        plan,
        "conv2d\n  max_pooling2d = conv2d, batch_normalization, swish, [2, 2]\n\
         global_average_pooling2d\ndense"
    );
}

#[test]
fn in_inference_a_layer_takes_its_activation_along_unless_others_read_it() {
    let graph = graph(
        r#"
        { layer = "Conv2D", filters = 4, kernel_size = 3, padding = "same", activation = "relu", name = "own" },
        { layer = "Conv2D", filters = 4, kernel_size = 3, padding = "same", name = "read" },
        { layer = "Activation", activation = "swish", name = "next" },
        { layer = "Conv2D", filters = 4, kernel_size = 3, padding = "same", name = "shared" },
        { layer = "Activation", activation = "swish", name = "reader" },
        { layer = "Add", inputs = ["shared", "reader"], name = "sum" },
        { layer = "Conv2D", filters = 4, kernel_size = 3, padding = "same", activation = "relu", name = "pooled" },
        { layer = "MaxPooling2D", pool_size = 2, name = "pool" },
        { layer = "GlobalAveragePooling2D", name = "average" },
        { layer = "Dense", units = "classes", activation = "softmax", name = "head" },"#,
    );
    assert_eq!(
        words(
            &graph,
            Fusion {
                inference: true,
                wanted: None
            }
        ),
        "own/relu = own, relu\nnext = read, swish\nshared\n  reader = shared, swish, [1, 1]\n  \
         sum = shared, + reader, linear, [1, 1]\npooled\n  pool = pooled, relu, [2, 2]\naverage\nhead"
    );
}

#[test]
fn the_later_branch_takes_the_skip_addition() {
    let plan = plan(
        r#"
        { layer = "Conv2D", filters = 4, kernel_size = 3, padding = "same", activation = "relu", name = "stem" },
        { layer = "Conv2D", filters = 4, kernel_size = 1, name = "shortcut" },
        { layer = "BatchNormalization", name = "shortcut_norm" },
        { layer = "Conv2D", filters = 4, kernel_size = 3, padding = "same", input = "stem", name = "main" },
        { layer = "BatchNormalization", name = "main_norm" },
        { layer = "Add", inputs = ["shortcut_norm", "main_norm"] },
        { layer = "Activation", activation = "relu" },
        { layer = "GlobalAveragePooling2D" },
        { layer = "Dense", units = "classes", activation = "softmax" },"#,
    );
    assert_eq!(
        plan,
        "stem\n  stem/relu = stem, relu, [1, 1]\nshortcut\n  \
         shortcut_norm = shortcut, shortcut_norm, linear, [1, 1]\nmain\n  \
         activation = main, main_norm, + shortcut_norm, relu, [1, 1]\nglobal_average_pooling2d\ndense"
    );
}

#[test]
fn what_others_read_or_an_epilogue_cannot_do_stays_apart() {
    let plan = plan(
        r#"
        { layer = "Conv2D", filters = 4, kernel_size = 3, padding = "same", name = "stem" },
        { layer = "BatchNormalization", name = "norm" },
        { layer = "Activation", activation = "tanh" },
        { layer = "MaxPooling2D", pool_size = 3, strides = 2, padding = "same", name = "overlapping" },
        { layer = "Conv2D", filters = 4, kernel_size = 3, strides = 2, padding = "same", input = "norm", name = "branch" },
        { layer = "Add", inputs = ["overlapping", "branch"] },
        { layer = "BatchNormalization", name = "after" },
        { layer = "Flatten" },
        { layer = "Dense", units = "classes", activation = "softmax" },"#,
    );
    assert_eq!(
        plan,
        "stem\n  norm = stem, norm, linear, [1, 1]\nactivation\noverlapping\nbranch\n  \
         add = branch, + overlapping, linear, [1, 1]\n  after = add, after, linear, [1, 1]\nflatten\ndense"
    );
}

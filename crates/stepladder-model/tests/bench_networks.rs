//! The networks of `bench/`, which Stepladder, PyTorch and Keras build from the same files: that they can be read and
//! built, and have the shape that their names promise.

use std::path::{Path, PathBuf};
use stepladder_model::{Graph, Op, OptimizerConfig, Rung, RungCatalog};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/networks")
}

fn rung(name: &str) -> Rung {
    Rung::from_path(folder().join(format!("{name}.toml")), &RungCatalog::shipped()).unwrap()
}

fn graph(name: &str) -> Graph {
    let rung = rung(name);
    rung.graph(rung.input.size, 5).unwrap()
}

fn layers(graph: &Graph, kind: &str) -> usize {
    graph.layers.iter().filter(|layer| layer.kind == kind).count()
}

#[test]
fn all_can_be_read_built_and_need_no_parent() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let rung = rung(&name);
        assert_eq!(rung.name, name);
        assert_eq!(rung.parent, None, "the peers read {name} alone");
        assert!(matches!(rung.optimizer, OptimizerConfig::Adam { .. }), "{name}");
        for size in [61, 64, 128] {
            rung.graph(size, 5).unwrap();
        }
        names.push(name);
    }
    names.sort();
    assert_eq!(names, ["conv-bn-swish", "mobilenet-like", "resnet18", "vgg-like"]);
}

#[test]
fn resnet18_has_the_parameters_of_resnet18() {
    // torchvision's resnet18 has 11,689,512 trainable parameters; its head for 1000 classes is 512 * 1000 + 1000 of them.
    let expected = 11_689_512 - (512 + 1) * 1000 + (512 + 1) * 5;
    assert_eq!(graph("resnet18").trainable_parameter_count(), expected);
}

#[test]
fn only_the_vgg_like_stack_has_biases_in_convolutions_and_no_normalization() {
    for name in ["conv-bn-swish", "mobilenet-like", "resnet18", "vgg-like"] {
        let graph = graph(name);
        let normalized = layers(&graph, "BatchNormalization") > 0;
        assert_eq!(normalized, name != "vgg-like");
        for (index, operation) in graph.operations.iter().enumerate() {
            if let Op::Convolution { bias, .. } | Op::DepthwiseConvolution { bias, .. } = operation.op {
                assert_eq!(
                    bias.is_some(),
                    !normalized,
                    "{name}: {}",
                    graph.operation_name(index)
                );
            }
        }
    }
}

#[test]
fn the_separable_stack_is_depthwise_and_pointwise() {
    let graph = graph("mobilenet-like");
    let depthwise = layers(&graph, "DepthwiseConv2D");
    assert_eq!(depthwise, 11);
    assert_eq!(layers(&graph, "Conv2D"), depthwise + 1);
}

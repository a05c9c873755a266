//! What stands in an ONNX file, read back.

use super::*;
use crate::proto::{DimensionValue, ModelProto};
use std::collections::BTreeMap;
use std::path::Path;
use stepladder_nn::Device;

/// The model that the classifier's own tests keep.
fn tiny() -> Classifier {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stepladder-classifier/tests/models");
    Classifier::load(&models.join("format-2.safetensors"), Device::Cpu).unwrap()
}

fn read_back(options: &OnnxOptions) -> ModelProto {
    ModelProto::decode(to_onnx(&tiny(), options).unwrap().as_slice()).unwrap()
}

fn operators(model: &ModelProto) -> Vec<&str> {
    let graph = model.graph.as_ref().unwrap();
    graph.node.iter().map(|node| node.op_type.as_str()).collect()
}

#[test]
fn a_network_is_its_layers_without_normalization() {
    let model = read_back(&OnnxOptions::default());
    assert_eq!((model.ir_version, model.opset_import[0].version), (8, OPSET));
    let layers = ["Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm", "Softmax"];
    assert_eq!(
        operators(&model),
        [&["Cast", "Div", "Transpose"], &layers[..]].concat()
    );
    let floats = read_back(&OnnxOptions {
        input: InputForm::FloatNchw,
        ..OnnxOptions::default()
    });
    assert_eq!(operators(&floats), layers);
}

#[test]
fn the_input_has_any_number_of_photos() {
    for (input, sides) in [
        (InputForm::Uint8Nhwc, [8, 8, 3]),
        (InputForm::FloatNchw, [3, 8, 8]),
    ] {
        let model = read_back(&OnnxOptions {
            input,
            ..OnnxOptions::default()
        });
        let value = &model.graph.unwrap().input[0];
        let shape = value
            .r#type
            .as_ref()
            .unwrap()
            .tensor_type
            .as_ref()
            .unwrap()
            .shape
            .as_ref();
        let mut dimensions = shape
            .unwrap()
            .dim
            .iter()
            .map(|dimension| dimension.value.clone().unwrap());
        assert_eq!(
            dimensions.next(),
            Some(DimensionValue::Parameter("batch".to_string()))
        );
        assert_eq!(dimensions.collect::<Vec<_>>(), sides.map(DimensionValue::Value));
    }
}

#[test]
fn the_metadata_says_all_that_a_user_needs() {
    let options = OnnxOptions {
        license: License {
            author: None,
            license: Some("CC BY 4.0".to_string()),
        },
        ..OnnxOptions::default()
    };
    let entries = read_back(&options).metadata_props;
    let entries: BTreeMap<String, String> = entries
        .into_iter()
        .map(|entry| (entry.key, entry.value))
        .collect();
    assert_eq!(
        entries["classes"],
        r#"["daisy","dandelion","roses","sunflowers","tulips"]"#
    );
    assert_eq!(
        (entries["size"].as_str(), entries["rung"].as_str()),
        ("8", "tiny")
    );
    assert!(entries["resize"].contains("Lanczos") && entries["crop"] == "center");
    assert!(entries["training"].contains("small_flowers5"));
    assert_eq!(entries["model_license"], "CC BY 4.0");
    assert!(!entries.contains_key("model_author") && !entries.contains_key("quantization"));
}

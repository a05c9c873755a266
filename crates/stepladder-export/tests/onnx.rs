//! ONNX exports in rten beside the classifier: every rung, every layer, windows of every kind, both forms of input, and int8.

mod support;

use proptest::prelude::*;
use stepladder_classifier::Temperature;
use stepladder_export::{CalibrationRange, InputForm, OnnxOptions, Quantization, to_onnx};
use stepladder_model::{ImageSize, Rung, RungCatalog, networks, shipped, variants};
use support::{calm, classifier, layer_rungs, photos, rung, verified};

/// How far probabilities may lie apart here: sums in another order differ by a hundredth of it.
const CLOSE: f32 = 1e-4;

fn every_layer() -> Rung {
    let [rung, _] = layer_rungs();
    rung
}

/// Checks both forms of input.
fn check(rung: &Rung, size: impl Into<ImageSize>) {
    let classifier = classifier(rung, size);
    for input in [InputForm::Uint8Nhwc, InputForm::FloatNchw] {
        let options = OnnxOptions {
            input,
            ..OnnxOptions::default()
        };
        let verification = verified(&classifier, &options, 4).agree().unwrap();
        assert_eq!(verification.photos, 4);
        assert!(verification.difference < CLOSE, "{}: {verification:?}", rung.name);
    }
}

#[test]
fn every_rung_gives_the_same_probabilities() {
    let catalog = RungCatalog::shipped();
    let mut count = 0;
    for shipped in shipped().iter().chain(variants()) {
        check(&catalog.get(shipped.name).unwrap(), 64);
        count += 1;
    }
    assert!(count >= 21, "{count} rungs");
}

#[test]
fn known_networks_give_the_same_probabilities() {
    let catalog = RungCatalog::shipped();
    for network in networks() {
        let classifier = calm(&catalog.get(network.name).unwrap(), 64);
        for input in [InputForm::Uint8Nhwc, InputForm::FloatNchw] {
            let options = OnnxOptions {
                input,
                ..OnnxOptions::default()
            };
            let verification = verified(&classifier, &options, 4).agree().unwrap();
            assert!(
                verification.difference < CLOSE,
                "{}: {verification:?}",
                network.name
            );
        }
    }
}

#[test]
fn every_layer_gives_the_same_probabilities() {
    for rung in layer_rungs() {
        check(&rung, rung.input.size);
    }
}

#[test]
fn input_that_is_not_square_gives_the_same_probabilities() {
    let catalog = RungCatalog::shipped();
    // With answers over the mirror image, and without.
    for (name, size) in [("m10", [48, 32]), ("small", [64, 96]), ("m5", [24, 40])] {
        check(&catalog.get(name).unwrap(), size);
    }
    for rung in layer_rungs() {
        let ImageSize { height, width } = rung.input.size;
        check(&rung, [height, width + 6]);
    }
}

#[test]
fn unusual_networks_give_the_same_probabilities() {
    for layers in [
        // A softmax of its own, dropout between a layer and its normalization, normalization of vectors, names that the
        // model has for itself.
        r#"{ layer = "Conv2D", filters = 4, kernel_size = 3, strides = [1, 2], name = "a", activation = "relu" },
           { layer = "BatchNormalization", scale = false, name = "probabilities" }, { layer = "Flatten", name = "preprocessing" },
           { layer = "Dense", units = 8, use_bias = false }, { layer = "Dropout", rate = 0.5 },
           { layer = "BatchNormalization", center = false }, { layer = "Activation", activation = "gelu" },
           { layer = "BatchNormalization" }, { layer = "Dense", units = "classes" },
           { layer = "Activation", activation = "softmax" }"#,
        // Attention of a kind: a softmax over channels; three terms; a value that three layers read; a slope of its own.
        r#"{ layer = "Conv2D", filters = 6, kernel_size = 3, padding = "same", name = "x" },
           { layer = "Activation", activation = "softmax", name = "y" },
           { layer = "Conv2D", filters = 6, kernel_size = 1, input = "x", use_bias = false, name = "z",
             activation = { type = "leaky_relu", negative_slope = 0.07 } },
           { layer = "Add", inputs = ["x", "y", "z"] }, { layer = "Activation", activation = "tanh" },
           { layer = "GlobalAveragePooling2D" }, { layer = "Flatten" },
           { layer = "Dense", units = "classes", activation = "softmax" }"#,
        // Everything that multiplies, from both sides; a normalization with one number for all; its like on vectors.
        r#"{ layer = "Normalization", mean = 0.5, variance = 0.04 },
           { layer = "Conv2D", filters = 6, kernel_size = 3, use_bias = false, name = "x" },
           { layer = "Activation", activation = "hard_sigmoid", name = "gate" }, { layer = "Multiply", inputs = ["gate", "x"], name = "gated" },
           { layer = "Conv2D", filters = 6, kernel_size = 3, input = "x", padding = 1, name = "y" },
           { layer = "Multiply", inputs = ["gated", "y", "gate"] }, { layer = "BlurPooling2D" },
           { layer = "StochasticDepth", rate = 0.5 }, { layer = "BatchNormalization" },
           { layer = "LayerNormalization", scale = false }, { layer = "Activation", activation = "relu6" },
           { layer = "GlobalAveragePooling2D" }, { layer = "Normalization", mean = 1.5, variance = 0.5 },
           { layer = "Activation", activation = "hard_swish" },
           { layer = "Dense", units = "classes", activation = "softmax" }"#,
        // Nothing but a dense layer on the photo.
        r#"{ layer = "MaxPooling2D" }, { layer = "Flatten" }, { layer = "Dense", units = "classes", activation = "softmax" }"#,
    ] {
        check(&rung(layers, 9), 9);
    }
}

#[test]
fn a_calibration_is_part_of_the_model() {
    let plain = classifier(&every_layer(), 29);
    let calibrated = plain.clone().with_temperature(Temperature::new(0.4));
    let options = OnnxOptions::default();
    assert!(verified(&calibrated, &options, 3).agree().unwrap().difference < CLOSE);
    assert_ne!(
        to_onnx(&plain, &options).unwrap(),
        to_onnx(&calibrated, &options).unwrap()
    );
}

#[test]
fn equal_classifiers_give_equal_bytes() {
    let classifier = classifier(&every_layer(), 29);
    let bytes = || to_onnx(&classifier, &OnnxOptions::default()).unwrap();
    assert_eq!(bytes(), bytes());
}

#[test]
fn an_int8_model_stays_close() {
    let catalog = RungCatalog::shipped();
    let [_, other_layers] = layer_rungs();
    for (rung, size) in [
        (every_layer(), ImageSize::square(29)),
        (other_layers, 23.into()),
        (catalog.get("m10").unwrap(), 64.into()),
        (catalog.get("m17").unwrap(), 64.into()),
        (catalog.get("m5").unwrap(), 32.into()),
        (catalog.get("m10").unwrap(), [48, 72].into()),
    ] {
        let classifier = classifier(&rung, size);
        let photos = photos(8, size);
        for method in [CalibrationRange::MinMax, CalibrationRange::default()] {
            let quantization = Quantization::calibrate(&classifier, &photos, method, 2, || ()).unwrap();
            for input in [InputForm::Uint8Nhwc, InputForm::FloatNchw] {
                let options = OnnxOptions {
                    input,
                    quantization: Some(quantization.clone()),
                    ..OnnxOptions::default()
                };
                let verification = verified(&classifier, &options, 4);
                assert!(
                    verification.difference < 0.1,
                    "{}, {method:?}, {input:?}: {verification:?}",
                    rung.name
                );
                // A test that cannot see the integers would prove nothing.
                assert!(verification.difference > 1e-6, "{}: {verification:?}", rung.name);
            }
        }
    }
}

#[test]
fn int8_needs_photos() {
    let classifier = classifier(&every_layer(), 29);
    let error = Quantization::calibrate(&classifier, &[], CalibrationRange::MinMax, 1, || ()).unwrap_err();
    assert!(error.to_string().contains("needs photos"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn windows_slide_as_in_keras(
        size in 4_usize..12,
        kind in 0_usize..6,
        sides in [1_usize..5, 1_usize..5],
        strides in [1_usize..4, 1_usize..4],
        padding in 0_usize..3,
        pads in [[0_usize..4, 0_usize..4], [0_usize..4, 0_usize..4]],
    ) {
        let padding = match padding {
            0 => String::from("\"valid\""),
            1 => String::from("\"same\""),
            // A window has to see a pixel.
            _ => format!("{:?}", [0, 1].map(|axis| pads[axis].map(|pad| pad % sides[axis]))),
        };
        let window = format!("strides = {strides:?}, padding = {padding}");
        let layer = match kind {
            0 => format!("{{ layer = \"Conv2D\", filters = 3, kernel_size = {sides:?}, {window} }}"),
            1 => format!("{{ layer = \"DepthwiseConv2D\", depth_multiplier = 2, kernel_size = {sides:?}, {window} }}"),
            2 => format!("{{ layer = \"SeparableConv2D\", filters = 4, kernel_size = {sides:?}, {window} }}"),
            3 => format!("{{ layer = \"Conv2D\", filters = 6, groups = 3, kernel_size = {sides:?}, {window} }}"),
            4 => format!("{{ layer = \"MaxPooling2D\", pool_size = {sides:?}, {window} }}"),
            _ => format!("{{ layer = \"AveragePooling2D\", pool_size = {sides:?}, {window} }}"),
        };
        let head = r#"{ layer = "Flatten" }, { layer = "Dense", units = "classes", activation = "softmax" }"#;
        let classifier = classifier(&rung(&format!("{layer}, {head}"), size), size);
        let verification = verified(&classifier, &OnnxOptions::default(), 2);
        prop_assert!(verification.difference < CLOSE, "{layer}: {verification:?}");
    }
}

//! Classifiers with made-up weights and photos of noise, the same on every machine, and what rten makes of them.
#![allow(dead_code, reason = "each test file uses a part of it")]

#[path = "../../../stepladder-nn/tests/fill/mod.rs"]
pub mod fill;

use std::path::Path;
use stepladder_classifier::Classifier;
use stepladder_data::RgbPhoto;
use stepladder_export::{OnnxOptions, Runtime, Verification, Verifier, to_onnx};
use stepladder_model::{ImageSize, Rung, RungCatalog};
use stepladder_nn::{Array, Device, Model};

/// Classes of every classifier here.
pub const CLASSES: usize = 5;

/// A classifier with weights of a plausible scale, and statistics of batch normalization away from 0 and 1.
pub fn classifier(rung: &Rung, size: impl Into<ImageSize>) -> Classifier {
    let graph = rung.graph(size, CLASSES).unwrap();
    let arrays = graph.parameters.iter().map(|spec| {
        let values = fill::parameter(&spec.name, &spec.shape);
        Array::new(&spec.name, spec.shape.clone(), values)
    });
    let arrays = arrays.collect();
    let model = Model::from_arrays(graph, arrays, Device::Cpu).unwrap();
    let classes = (0..CLASSES).map(|class| format!("class {class}")).collect();
    Classifier::new(model, rung.clone(), classes)
}

/// As [`classifier`], with normalizations half as large and a head a tenth: in deep networks values would grow until one class has
/// all of the probability, whatever the photo.
pub fn calm(rung: &Rung, size: impl Into<ImageSize>) -> Classifier {
    let size = size.into();
    let loud = classifier(rung, size);
    let head = loud.model().graph().parameters.len() - 2;
    let calmed = loud
        .model()
        .to_arrays()
        .into_iter()
        .enumerate()
        .map(|(index, mut array)| {
            let factor = match index >= head {
                true => 0.1,
                false if array.name.ends_with("gamma") => 0.5,
                false => 1.0,
            };
            array.values.iter_mut().for_each(|value| *value *= factor);
            array
        });
    let model = Model::from_arrays(loud.model().graph().clone(), calmed.collect(), Device::Cpu).unwrap();
    let calm = Classifier::new(model, rung.clone(), loud.classes().to_vec());
    let answers = calm.predict(&photos(4, size));
    let surest = answers
        .iter()
        .flatten()
        .fold(0.0_f32, |surest, &probability| surest.max(probability));
    assert!(surest < 0.999, "{}: {answers:?}", rung.name);
    calm
}

/// Each kind of layer, in two rungs.
pub fn layer_rungs() -> [Rung; 2] {
    [
        "../stepladder-nn/tests/rungs/every-layer.toml",
        "tests/rungs/other-layers.toml",
    ]
    .map(|file| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        Rung::from_path(&file, &RungCatalog::shipped()).unwrap()
    })
}

/// A rung of these layers.
pub fn rung(layers: &str, size: impl Into<ImageSize>) -> Rung {
    let size = size.into().to_toml();
    let toml = format!(
        "name = \"made-up\"\nchange = \"For a test\"\nlayers = [{layers}]\n[input]\nsize = {size}\n\
         [training]\nepochs = 1\n[optimizer]\ntype = \"adam\"\n"
    );
    Rung::from_toml(&toml, "made-up.toml", &RungCatalog::shipped()).unwrap()
}

/// Noise, as a network's input of this size.
pub fn photos(count: usize, size: impl Into<ImageSize>) -> Vec<RgbPhoto> {
    let size = size.into();
    let values = fill::images(count, size, CLASSES);
    let photos = values.chunks_exact(size.values()).map(|values| {
        let pixels = values.iter().map(|value| (value * 255.0).round() as u8).collect();
        RgbPhoto::new(size.width as u32, size.height as u32, pixels).unwrap()
    });
    photos.collect()
}

/// What rten makes of an export, beside the classifier's answers; photos go in batches of 3, so that the last is another size.
pub fn verified(classifier: &Classifier, options: &OnnxOptions, count: usize) -> Verification {
    let onnx = to_onnx(classifier, options).unwrap();
    let runtime = Runtime::load(onnx, options.input, 2).unwrap();
    let mut verifier = Verifier::new(classifier, &runtime);
    for photos in photos(count, classifier.size()).chunks(3) {
        let answers = verifier.ask(photos).unwrap();
        for row in answers.theirs {
            assert_eq!(row.len(), CLASSES);
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
        }
    }
    verifier.verification()
}

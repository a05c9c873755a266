//! Against torchvision: `tests/golden/from_torchvision.py` wrote down what it draws, and what it makes of a photo.

use serde_json::Value;
use stepladder_model::{RandAugment, RandomErasing, RandomResizedCrop, TrivialAugmentWide};

use crate::augment::affine::{Affine, Frame};
use crate::augment::automatic::{self, Op};
use crate::augment::color::Adjustment;
use crate::augment::erasing;
use crate::augment::resample::Edge;
use crate::augment::{crop, whole};
use crate::photo::RgbPhoto;
use crate::random::Numbers;

const SIZE: usize = 8;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../tests/golden/torchvision.json"))
        .expect("the golden file is JSON")
}

fn cases<'a>(golden: &'a Value, name: &str) -> &'a [Value] {
    let cases = golden[name].as_array().expect("a list");
    assert!(!cases.is_empty());
    cases
}

fn floats(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("a list").iter();
    list.map(|v| v.as_f64().expect("a number")).collect()
}

fn pair(value: &Value) -> [f32; 2] {
    let list = floats(value);
    [list[0] as f32, list[1] as f32]
}

/// The same photo as in the script.
fn photo(width: usize, height: usize) -> RgbPhoto {
    let value = |y: usize, x: usize, c: usize| ((37 * y + 11 * x + 71 * c + 5 * x * y) % 256) as u8;
    let values = (0..width * height * 3).map(|i| value(i / (width * 3), i / 3 % width, i % 3));
    RgbPhoto::new(width as u32, height as u32, values.collect()).expect("sizes agree")
}

/// The network's square, in 0..=255.
fn square() -> Vec<f32> {
    photo(SIZE, SIZE).pixels().iter().map(|&v| f32::from(v)).collect()
}

fn compare(case: &Value, out: &[f32], tolerance: f64) {
    let expected = floats(&case["out"]);
    assert_eq!(out.len(), expected.len());
    for (&found, expected) in out.iter().zip(expected) {
        let off = (f64::from(found) - expected).abs();
        assert!(
            off <= tolerance,
            "{}: {found} where torchvision has {expected}",
            case["name"]
        );
    }
}

fn recorded(case: &Value) -> Recorded {
    Recorded {
        units: case.get("units").map(floats).unwrap_or_default().into_iter(),
        below: floats(&case["below"]).into_iter(),
    }
}

/// What torchvision drew.
struct Recorded {
    units: std::vec::IntoIter<f64>,
    below: std::vec::IntoIter<f64>,
}

impl Numbers for Recorded {
    fn unit(&mut self) -> f64 {
        self.units.next().expect("torchvision drew as many")
    }

    fn below(&mut self, bound: u64) -> u64 {
        let drawn = self.below.next().expect("torchvision drew as many") as u64;
        assert!(drawn < bound);
        drawn
    }
}

#[test]
fn rectangles_are_drawn_as_torchvision_does() {
    for case in cases(&golden(), "rectangles") {
        let frame = floats(&case["frame"]);
        let frame = Frame {
            width: frame[0] as usize,
            height: frame[1] as usize,
        };
        let config = RandomResizedCrop {
            scale: pair(&case["scale"]),
            ratio: pair(&case["ratio"]),
        };
        let mut drawn = recorded(case);
        let found = crop::rectangle(&config, frame, &mut drawn);
        assert_eq!(
            found.map(|v| v as f64).to_vec(),
            floats(&case["rectangle"]),
            "{case}"
        );
        assert_eq!((drawn.units.next(), drawn.below.next()), (None, None));
    }
}

#[test]
fn crops_are_resized_as_torchvision_does() {
    for case in cases(&golden(), "crops") {
        let rectangle: [f64; 4] = floats(&case["rectangle"]).try_into().expect("four numbers");
        let mirrored = case["mirrored"] == true;
        let map = Affine::crop(rectangle, Frame::square(SIZE)).then(Affine::flip(
            mirrored,
            false,
            Frame::square(SIZE),
        ));
        let mut out = vec![0.0; SIZE * SIZE * 3];
        whole::draw(
            &photo(23, 17),
            &map,
            Edge::Nearest,
            Frame::square(SIZE),
            &mut Vec::new(),
            &mut out,
        );
        // Both round to bytes, each in fixed-point arithmetic of its own.
        compare(case, &out, 1.0);
    }
}

#[test]
fn colors_change_as_in_torchvision() {
    for case in cases(&golden(), "jitter") {
        let factor = case["factor"].as_f64().expect("a number") as f32;
        let adjustment = match case["name"].as_str() {
            Some("brightness") => Adjustment::Brightness(factor),
            Some("contrast") => Adjustment::Contrast(factor),
            Some("saturation") => Adjustment::Saturation(factor),
            Some("hue") => Adjustment::Hue(factor),
            other => panic!("the golden file has {other:?}"),
        };
        let mut out = square();
        adjustment.apply(&mut out);
        compare(case, &out, 0.02);
    }
}

fn op(name: &str, magnitude: f64) -> Op {
    let factor = 1.0 + magnitude as f32;
    match name {
        "Identity" => Op::Identity,
        "ShearX" => Op::ShearX(magnitude),
        "ShearY" => Op::ShearY(magnitude),
        "TranslateX" => Op::TranslateX(magnitude),
        "TranslateY" => Op::TranslateY(magnitude),
        "Rotate" => Op::Rotate(magnitude),
        "Brightness" => Op::Brightness(factor),
        "Color" => Op::Color(factor),
        "Contrast" => Op::Contrast(factor),
        "Sharpness" => Op::Sharpness(factor),
        "Posterize" => Op::Posterize(magnitude as u32),
        "Solarize" => Op::Solarize(magnitude as f32),
        "AutoContrast" => Op::AutoContrast,
        "Equalize" => Op::Equalize,
        other => panic!("the golden file has {other}"),
    }
}

#[test]
fn operations_are_those_of_torchvision() {
    let mut names = std::collections::BTreeSet::new();
    for case in cases(&golden(), "ops") {
        let (name, magnitude) = (case["name"].as_str().expect("text"), case["magnitude"].as_f64());
        let op = op(name, magnitude.expect("a number"));
        let mut out = square();
        op.apply(Frame::square(SIZE), 0.0, &mut out);
        // torchvision cuts fractions off, for contrast those of each pixel's gray as well.
        compare(case, &out, 1.5);
        names.insert(op.described().0);
    }
    assert_eq!(names.len(), 14, "{names:?}");
    for case in cases(&golden(), "equalize") {
        let number = |key: &str| case[key].as_u64().expect("a number");
        let (size, step) = (number("size") as usize, number("step") as u8);
        let photo = photo(size, size);
        let levels = photo.pixels().iter().map(|v| f32::from(v / step * step));
        let mut out: Vec<f32> = levels.collect();
        Op::Equalize.apply(Frame::square(size), 0.0, &mut out);
        compare(case, &out, 0.0);
    }
}

fn check_drawn(case: &Value, found: &[Op]) {
    let expected = case["ops"].as_array().expect("a list");
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let (name, magnitude) = found.described();
        assert_eq!(expected[0], name);
        // torchvision cuts the fraction off later.
        let whole = name.starts_with("Translate");
        let expected = expected[1].as_f64().expect("a number");
        let expected = if whole { expected.trunc() } else { expected };
        assert!(
            (magnitude - expected).abs() < 1e-4,
            "{name} {magnitude} {expected}"
        );
    }
}

#[test]
fn operations_are_drawn_as_torchvision_does() {
    let trivial = TrivialAugmentWide {
        num_magnitude_bins: 31,
        fill_value: 0.0,
    };
    for case in cases(&golden(), "trivial") {
        let mut drawn = recorded(case);
        check_drawn(case, &[automatic::trivial(&trivial, &mut drawn)]);
        assert_eq!(drawn.below.next(), None);
    }
    let several = RandAugment {
        num_ops: 2,
        magnitude: 9,
        num_magnitude_bins: 31,
        fill_value: 0.0,
    };
    for case in cases(&golden(), "rand_augment") {
        let mut drawn = recorded(case);
        check_drawn(
            case,
            &automatic::rand_augment(&several, Frame::square(SIZE), &mut drawn),
        );
        assert_eq!(drawn.below.next(), None);
    }
}

#[test]
fn rectangles_are_erased_where_torchvision_erases_them() {
    for case in cases(&golden(), "erasing") {
        let layer = RandomErasing {
            probability: 1.0,
            scale: pair(&case["scale"]),
            ratio: pair(&case["ratio"]),
            value: stepladder_model::Erased::Value(0.0),
        };
        let size = case["size"].as_u64().expect("a number") as usize;
        let mut drawn = recorded(case);
        let found = erasing::rectangle(&layer, Frame::square(size), &mut drawn);
        let expected = case["rectangle"].as_array().map(|_| floats(&case["rectangle"]));
        assert_eq!(
            found.map(|found| found.map(|v| v as f64).to_vec()),
            expected,
            "{case}"
        );
        assert_eq!((drawn.units.next(), drawn.below.next()), (None, None));
    }
}

//! Both pipelines against Keras: `tests/golden/augmentation.py` fed it these draws and wrote down what came out.

use serde_json::Value;
use stepladder_model::{FillMode, ImageDataGenerator};

use super::affine::Frame;
use super::resample::{Edge, Pixel, pixels};
use super::{generator, layers};

mod torchvision;

const SIZE: usize = 8;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../tests/golden/augmentation.json"))
        .expect("the golden file is JSON")
}

/// The same picture as in the script.
fn picture() -> Vec<Pixel> {
    let value = |y: usize, x: usize, c: usize| ((37 * y + 11 * x + 71 * c + 5 * x * y) % 256) as u8;
    let values: Vec<u8> = (0..SIZE * SIZE * 3)
        .map(|i| value(i / (SIZE * 3), i / 3 % SIZE, i % 3))
        .collect();
    pixels(&values)
}

fn number(draw: &Value, name: &str, default: f64) -> f64 {
    draw[name].as_f64().unwrap_or(default)
}

/// `tolerance` is on the 0..=255 scale; Keras computes coordinates in single precision.
fn compare(case: &Value, out: &[f32], tolerance: f64) {
    let expected: Vec<f64> = case["out"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|v| v.as_f64().expect("a number"))
        .collect();
    assert_eq!(out.len(), expected.len());
    let worst = out
        .iter()
        .zip(&expected)
        .map(|(&a, b)| (f64::from(a) - b).abs())
        .fold(0.0, f64::max);
    assert!(
        worst <= tolerance,
        "{} {}: off by {worst}",
        case["fill_mode"],
        case["draw"]
    );
}

#[test]
fn the_generator_agrees_with_keras() {
    for case in golden()["generator"].as_array().expect("a list") {
        let draw = &case["draw"];
        let config = ImageDataGenerator {
            fill_mode: match case["fill_mode"].as_str() {
                Some("reflect") => FillMode::Reflect,
                Some("wrap") => FillMode::Wrap,
                Some("constant") => FillMode::Constant,
                _ => FillMode::Nearest,
            },
            fill_value: number(case, "fill_value", 0.0) as f32,
            ..ImageDataGenerator::default()
        };
        let draw = generator::Draw {
            theta: number(draw, "theta", 0.0),
            tx: number(draw, "tx", 0.0),
            ty: number(draw, "ty", 0.0),
            shear: number(draw, "shear", 0.0),
            zx: number(draw, "zx", 1.0),
            zy: number(draw, "zy", 1.0),
            flip_horizontal: draw["flip_horizontal"].as_bool().unwrap_or(false),
            flip_vertical: draw["flip_vertical"].as_bool().unwrap_or(false),
            channel_shift: draw["channel_shift_intensity"].as_f64(),
            brightness: draw["brightness"].as_f64(),
        };
        let mut out = vec![0.0; SIZE * SIZE * 3];
        generator::apply(&config, &draw, &picture(), Frame::square(SIZE), &mut out);
        // Brightness cuts fractions off, so that a difference of rounding can become a whole step of 8 bits.
        compare(case, &out, if draw.brightness.is_some() { 1.0 } else { 0.01 });
    }
}

#[test]
fn the_layers_agree_with_keras() {
    for case in golden()["layers"].as_array().expect("a list") {
        let draw = &case["draw"];
        let edge = match case["fill_mode"].as_str() {
            Some("nearest") => Edge::Nearest,
            Some("constant") => Edge::Constant(number(case, "fill_value", 0.0) as f32 * 255.0),
            Some("wrap") => Edge::Wrap,
            _ => Edge::Reflect,
        };
        let (height, width) = (number(draw, "height", 0.0), number(draw, "width", 0.0));
        let drawn = match draw["kind"].as_str() {
            Some("rotation") => layers::Draw::Rotation {
                turns: number(draw, "turns", 0.0),
                edge,
            },
            Some("translation") => layers::Draw::Translation { height, width, edge },
            Some("zoom") => layers::Draw::Zoom { height, width, edge },
            Some("flip") => layers::Draw::Flip {
                horizontal: draw["horizontal"] == true,
                vertical: draw["vertical"] == true,
            },
            Some("brightness") => layers::Draw::Brightness {
                delta: number(draw, "delta", 0.0) * 255.0,
                low: 0.0,
                high: 255.0,
            },
            other => panic!("the golden file has the kind {other:?}"),
        };
        let mut out = vec![0.0; SIZE * SIZE * 3];
        layers::apply(&[drawn], &picture(), Frame::square(SIZE), &mut out);
        compare(case, &out, 0.05);
    }
}

#[test]
fn contrast_agrees_with_keras() {
    let golden: Value = serde_json::from_str(include_str!("../../tests/golden/contrast.json"))
        .expect("the golden file is JSON");
    for case in golden["cases"].as_array().expect("a list") {
        let drawn = layers::Draw::Contrast {
            factor: number(case, "factor", 1.0),
            low: 0.0,
            high: 255.0,
        };
        let mut out = vec![0.0; SIZE * SIZE * 3];
        layers::apply(&[drawn], &picture(), Frame::square(SIZE), &mut out);
        compare(case, &out, 0.01);
    }
}

//! Against torchvision: `tests/golden/from_torchvision.py` wrote down what it draws, and what it makes of a photo.

use serde_json::Value;
use stepladder_model::RandomResizedCrop;

use crate::augment::affine::{Affine, Frame};
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
fn photo() -> RgbPhoto {
    let (width, height) = (23, 17);
    let value = |y: usize, x: usize, c: usize| ((37 * y + 11 * x + 71 * c + 5 * x * y) % 256) as u8;
    let values = (0..width * height * 3).map(|i| value(i / (width * 3), i / 3 % width, i % 3));
    RgbPhoto::new(width as u32, height as u32, values.collect()).expect("sizes agree")
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
        let mut drawn = Recorded {
            units: floats(&case["units"]).into_iter(),
            below: floats(&case["below"]).into_iter(),
        };
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
        let map = Affine::crop(rectangle, SIZE).then(Affine::flip(mirrored, false, Frame::square(SIZE)));
        let mut out = vec![0.0; SIZE * SIZE * 3];
        whole::draw(&photo(), &map, Edge::Nearest, SIZE, &mut Vec::new(), &mut out);
        for (found, expected) in out.iter().zip(floats(&case["out"])) {
            // Both round to bytes, each in fixed-point arithmetic of its own.
            assert!((f64::from(*found) - expected).abs() <= 1.0, "{found} {expected}");
        }
    }
}

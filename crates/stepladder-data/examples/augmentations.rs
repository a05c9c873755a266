//! The picture of `docs/guides/augmentation.md`: a row for each layer of augmentation, with one photo as some epochs see it. As the guide's own
//! was made: `cargo run --release -p stepladder-data --example augmentations -- crates/stepladder/photos/small_flowers5.zip
//! tulips docs/guides/augmentation.jpg`

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, RgbImage};
use stepladder_data::{
    Augmentation, CacheConfig, DataRequest, Dataset, Loader, LoaderConfig, NoProgress, PhotoStore,
};
use stepladder_model::{
    ColorJitter, Erased, FillMode, FlipMode, RandAugment, RandomBrightness, RandomContrast, RandomErasing,
    RandomFlip, RandomResizedCrop, RandomRotation, RandomTransform, RandomZoom, TrivialAugmentWide,
};

/// Side of a photo, pixels between two of them, and photos in a row.
const SIZE: usize = 80;
const GAP: usize = 4;
const EPOCHS: usize = 8;
const QUALITY: u8 = 80;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [photos, class, out] = arguments.as_slice() else {
        return Err("name the photos, a class, and the picture to write".into());
    };
    let dataset = Dataset::open(&DataRequest::path(photos))?;
    let folder = tempfile::tempdir()?;
    let cache = CacheConfig::new(folder.path()).with_whole_photos(true);
    let store = PhotoStore::open_or_build(&dataset, SIZE, &cache, &NoProgress)?;
    let of_class = |photo: &&u32| dataset.classes[dataset.photos[**photo as usize].class as usize] == *class;
    let numbers: Vec<u32> = (0..store.len() as u32).collect();
    let photo = *numbers.iter().find(of_class).ok_or("no photo is of this class")?;

    let side = |count: usize| (count * (SIZE + GAP) - GAP) as u32;
    let layers = layers();
    let mut picture = RgbImage::from_pixel(side(EPOCHS), side(layers.len()), image::Rgb([255; 3]));
    for (row, layer) in layers.into_iter().enumerate() {
        let config = LoaderConfig {
            augmentation: Augmentation::new(None, &[layer]),
            ..LoaderConfig::new(1, SIZE)
        };
        let loader = Loader::new(&store, &dataset.labels(), &[photo], config)?;
        for epoch in 0..EPOCHS {
            for batch in loader.epoch(epoch as u64) {
                draw(&batch?.images, [epoch, row], &mut picture);
            }
        }
    }
    let file = BufWriter::new(File::create(out)?);
    JpegEncoder::new_with_quality(file, QUALITY).encode(
        &picture,
        picture.width(),
        picture.height(),
        ExtendedColorType::Rgb8,
    )?;
    Ok(())
}

fn draw(values: &[f32], [column, row]: [usize; 2], picture: &mut RgbImage) {
    for (at, pixel) in values.chunks(3).enumerate() {
        let (x, y) = (at % SIZE + column * (SIZE + GAP), at / SIZE + row * (SIZE + GAP));
        let byte = |channel: usize| (pixel[channel] * 255.0).round() as u8;
        picture.put_pixel(x as u32, y as u32, image::Rgb([0, 1, 2].map(byte)));
    }
}

/// In the order of the guide's table.
fn layers() -> Vec<RandomTransform> {
    let (fill_mode, fill_value) = (FillMode::Reflect, 0.0);
    vec![
        RandomTransform::ResizedCrop(RandomResizedCrop {
            scale: [0.35, 1.0],
            ratio: RandomResizedCrop::RATIO,
        }),
        RandomTransform::Flip(RandomFlip {
            mode: FlipMode::Horizontal,
            alternating: true,
        }),
        RandomTransform::Rotation(RandomRotation {
            factor: [-0.08, 0.08],
            fill_mode,
            fill_value,
        }),
        RandomTransform::Zoom(RandomZoom {
            height_factor: [-0.3, 0.3],
            width_factor: None,
            fill_mode,
            fill_value,
        }),
        RandomTransform::Brightness(RandomBrightness {
            factor: [-0.3, 0.3],
            value_range: [0.0, 1.0],
        }),
        RandomTransform::Contrast(RandomContrast {
            factor: [0.5, 0.5],
            value_range: [0.0, 1.0],
        }),
        RandomTransform::ColorJitter(ColorJitter {
            brightness: [0.7, 1.3],
            contrast: [0.7, 1.3],
            saturation: [0.7, 1.3],
            hue: [-0.05, 0.05],
        }),
        RandomTransform::Erasing(RandomErasing {
            probability: 0.5,
            scale: RandomErasing::SCALE,
            ratio: RandomErasing::RATIO,
            value: Erased::Value(0.0),
        }),
        RandomTransform::TrivialAugmentWide(TrivialAugmentWide {
            num_magnitude_bins: 31,
            fill_value: 0.0,
        }),
        RandomTransform::RandAugment(RandAugment {
            num_ops: 2,
            magnitude: 9,
            num_magnitude_bins: 31,
            fill_value: 0.0,
        }),
    ]
}

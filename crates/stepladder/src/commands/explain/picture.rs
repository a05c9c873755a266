//! The picture of where a model looks, and the file that it goes to.

use anyhow::{Context, ensure};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use serde::Serialize;
use std::path::{Path, PathBuf};
use stepladder_classifier::overlay;
use stepladder_data::{RgbPhoto, Scaling};
use stepladder_model::ImageSize;
use stepladder_nn::HeatMap;
use stepladder_run::write_atomically;

/// The least and the greatest short side of a picture, in pixels: a small photo is enlarged, so that the colors can be told apart.
const SIDES: [u32; 2] = [256, 1024];

/// What was written.
#[derive(Debug, Serialize)]
pub(super) struct Picture {
    /// The file.
    file: String,
    /// The class that the colors speak for.
    class: String,
    /// Height and width of the picture in pixels.
    side: ImageSize,
    /// The map that was enlarged to it, from what the network sees.
    heat: Heat,
}

#[derive(Debug, Serialize)]
struct Heat {
    height: usize,
    width: usize,
    /// Row by row, from 0 to 1.
    values: Vec<f32>,
}

impl Picture {
    /// Writes the picture of `heat` over `photo`.
    pub fn write(
        photo: &RgbPhoto,
        scaling: Scaling,
        input: ImageSize,
        heat: HeatMap,
        class: &str,
        file: &Path,
    ) -> anyhow::Result<Picture> {
        let short = photo.short_side().clamp(SIDES[0], SIDES[1]);
        let side = input.with_short_side(short as usize);
        let picture = overlay(photo, scaling, &heat, side);
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes).write_image(
            picture.pixels(),
            picture.width(),
            picture.height(),
            ExtendedColorType::Rgb8,
        )?;
        write_atomically(file, &bytes).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Picture {
            file: file.display().to_string(),
            class: class.to_string(),
            side,
            heat: Heat {
                height: heat.height,
                width: heat.width,
                values: heat.values,
            },
        })
    }

    /// The line about it.
    pub fn said(&self) -> String {
        let speaks = self.heat.values.iter().any(|value| *value > 0.0);
        let what = match speaks {
            true => format!("what speaks for {}, yellow to red", self.class),
            false => format!("no place speaks for {}", self.class),
        };
        format!("picture     {}: {what}", self.file)
    }
}

/// Where the picture goes: the file that was asked for, or one in this folder named after the photo. Never the photo itself.
pub(super) fn picture_file(asked: Option<&Path>, photo: &Path) -> anyhow::Result<PathBuf> {
    let file = match asked {
        Some(file) => file.to_path_buf(),
        None => {
            let mut name = photo.file_stem().unwrap_or_default().to_os_string();
            name.push("-explained.png");
            PathBuf::from(name)
        }
    };
    let is_png = file
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("png"));
    ensure!(
        is_png,
        "--out {}: a picture's name must end in .png",
        file.display()
    );
    ensure!(
        !file.is_dir(),
        "--out {}: that is a folder; name a file in it",
        file.display()
    );
    // A link to the photo counts as the photo.
    let same = match (file.canonicalize(), photo.canonicalize()) {
        (Ok(file), Ok(photo)) => file == photo,
        _ => false,
    };
    ensure!(
        !same,
        "--out {}: that is the photo itself, which is not overwritten; give another name",
        file.display()
    );
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_follows_the_photo_and_never_is_the_photo() {
        let folder = tempfile::tempdir().unwrap();
        let photo = folder.path().join("a.b.png");
        std::fs::write(&photo, b"x").unwrap();
        assert_eq!(
            picture_file(None, &photo).unwrap(),
            Path::new("a.b-explained.png")
        );
        let roundabout = folder.path().join(".").join("a.b.png");
        for (asked, phrase) in [
            (roundabout.as_path(), "the photo itself"),
            (Path::new("picture.jpg"), "must end in .png"),
        ] {
            let message = picture_file(Some(asked), &photo).unwrap_err().to_string();
            assert!(message.contains(phrase), "{message}");
        }
        let other = folder.path().join("other.PNG");
        assert_eq!(picture_file(Some(&other), &photo).unwrap(), other);
    }
}

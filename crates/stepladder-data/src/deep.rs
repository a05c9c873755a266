//! What a set's photos of more than 8 bits hold: microscopes, X-ray and thermal cameras use a part of 16 bits, which looks black.

use std::fmt;
use std::str::FromStr;

use rayon::prelude::*;

use crate::dataset::Dataset;
use crate::decode::{self, DeepPicture, Levels};
use crate::source::Content;

/// Photos that are looked at to choose levels, and to say that there is a use for them.
const MEASURED: usize = 256;
const GLANCED: usize = 16;
/// Values of each photo that are taken, at even steps.
const VALUES: usize = 4096;
/// The share of all values beyond black, and beyond white: dead and hot pixels.
const BEYOND: f64 = 0.001;
/// The share of a file's range below which photos look nearly black: 14 of 16 bits.
const NARROW: f32 = 0.26;

/// Which levels are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum LevelsChoice {
    /// Those of the file's format.
    #[default]
    AsStored,
    /// Those that the set's photos need.
    Measured,
    /// These.
    Given(Levels),
}

/// As users and records write it: `auto`, or `0:4095`.
impl fmt::Display for LevelsChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AsStored => f.write_str("stored"),
            Self::Measured => f.write_str("auto"),
            Self::Given(Levels { black, white }) => write!(f, "{black}:{white}"),
        }
    }
}

impl FromStr for LevelsChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "stored" => Ok(Self::AsStored),
            "auto" => Ok(Self::Measured),
            range => {
                let numbers = range.split_once(':');
                let number = |text: &str| text.trim().parse::<f32>().ok();
                numbers
                    .and_then(|(black, white)| Levels::new(number(black)?, number(white)?))
                    .map(Self::Given)
                    .ok_or_else(|| String::from("write the values of black and white, e.g. 0:4095, or auto"))
            }
        }
    }
}

/// The values of a set's photos of more than 8 bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeepValues {
    /// Such photos among those that were looked at.
    pub photos: usize,
    /// All values but the lowest and the highest thousandth.
    pub levels: Levels,
    /// The greatest value that the files could hold; `None` of floats and 32 bits.
    pub most: Option<f32>,
}

impl DeepValues {
    /// Whether the files' range is so much wider than what is used of it that photos look black or flat.
    pub fn is_narrow(&self) -> bool {
        let Levels { black, white } = self.levels;
        self.most.is_some_and(|most| white - black < NARROW * most)
    }
}

impl Dataset {
    /// The values of the photos of more than 8 bits among a few of the set; `None` where there are none. Reads a few files.
    pub fn deep_values(&self) -> Option<DeepValues> {
        self.values_of(GLANCED)
    }

    /// Levels for the photos of this set, from many of them.
    pub(crate) fn measured_levels(&self) -> Option<Levels> {
        let Levels { black, white } = self.values_of(MEASURED)?.levels;
        // Counts are whole.
        match white - black >= 16.0 {
            true => Levels::new(black.floor(), white.ceil()),
            false => Levels::new(black, white),
        }
    }

    /// The same whichever thread reads which photo.
    fn values_of(&self, photos: usize) -> Option<DeepValues> {
        let readers = self.readers().ok()?;
        let step = self.photos.len().div_ceil(photos).max(1);
        let look = |photo: &crate::dataset::Photo| -> Option<(Vec<f32>, Option<f32>)> {
            let Content::File(bytes) = readers[photo.source as usize].read(photo.entry).ok()? else {
                return None;
            };
            let deep = decode::deep(&bytes, &self.decoding).ok()??;
            Some((sampled(&deep), deep.most))
        };
        let seen: Vec<_> = self.photos.par_iter().step_by(step).filter_map(look).collect();
        let most = seen
            .iter()
            .map(|(_, most)| *most)
            .reduce(|a, b| Some(a?.max(b?)))?;
        let mut values: Vec<f32> = seen
            .iter()
            .flat_map(|(values, _)| values.iter().copied())
            .collect();
        values.sort_by(f32::total_cmp);
        let last = values.len().checked_sub(1)?;
        let beyond = (last as f64 * BEYOND) as usize;
        Some(DeepValues {
            photos: seen.len(),
            levels: Levels::new(values[beyond], values[last - beyond])?,
            most,
        })
    }
}

fn sampled(picture: &DeepPicture) -> Vec<f32> {
    let step = (picture.values.len() / VALUES).max(1);
    picture.colors().step_by(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_reads_back_as_it_was_written() {
        for text in ["stored", "auto", "0:4095", "-3.5:1000000", "29500:30300"] {
            assert_eq!(text.parse::<LevelsChoice>().expect(text).to_string(), text);
        }
        for wrong in ["", "4095", "5:5", "a:b", "0:inf", "NaN:1"] {
            assert!(wrong.parse::<LevelsChoice>().is_err(), "{wrong}");
        }
    }
}

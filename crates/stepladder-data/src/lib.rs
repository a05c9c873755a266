//! Photos for Stepladder: where they come from, how they are decoded, split, cached, augmented and delivered in batches.
//!
//! The way of a photo: [`Dataset::open`] lists an archive, a folder or a table; [`PhotoStore::open_or_build`] decodes every photo
//! once into a cache; [`Split::new`] divides them; [`Loader`] delivers batches of one height and width, NHWC, RGB, 0..=1.
//!
//! Nothing here knows of networks or training. No input makes it panic or write outside the cache folder. While photos are
//! decoded, all threads together hold about 1 GiB of pixels at most, and each at most 256 MiB of a file's bytes; otherwise memory
//! grows only with the number of photos, by their names and 64 bytes each.

mod augment;
mod cache;
mod color;
mod dataset;
mod decode;
mod deep;
mod error;
mod files;
mod images;
mod layout;
mod loader;
mod mixing;
mod names;
mod open;
mod parallel;
mod part;
mod pattern;
mod photo;
mod positional;
mod progress;
mod random;
mod reading;
mod remark;
mod rendition;
mod sample;
mod scaling;
mod scan;
mod source;
mod split;
mod store;

pub use augment::Augmentation;
pub use cache::{CacheConfig, FeatureCache};
pub use color::ColorMode;
pub use dataset::{Dataset, Photo};
pub use decode::{Decoding, Levels, MAX_FILE_BYTES, MAX_PIXELS, decode, dimensions};
pub use deep::{DeepValues, LevelsChoice};
pub use error::{DataError, PhotoError, Skipped};
pub use files::{PhotoFile, find_photos};
pub use images::Images;
pub use loader::{Batch, BatchShape, Epoch, Loader, LoaderConfig};
pub use mixing::Mixing;
pub use names::{names_elsewhere, nfc, path_of, printable, shown_path};
pub use open::DataRequest;
pub use part::Part;
pub use photo::RgbPhoto;
pub use progress::{NoProgress, Progress};
pub use reading::Reading;
pub use remark::Remark;
pub use sample::{TypicalPhoto, beyond};
pub use scaling::{Scaling, prepare};
pub use scan::Scanned;
pub use source::{NumberRow, TableForm, numbers_by_name};
pub use split::Split;
pub use store::PhotoStore;

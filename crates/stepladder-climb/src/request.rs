//! What to climb, on what, and where to put it.

use std::path::PathBuf;
use std::time::Duration;
use stepladder_data::{CacheConfig, DataRequest};
use stepladder_model::{ImageSize, Rung};
use stepladder_nn::{Device, Precision};

/// A climb as it is asked for.
#[derive(Debug, Clone)]
pub struct ClimbRequest {
    /// The photos.
    pub data: DataRequest,
    /// The rungs, in any order: shipped ones are trained in the order of the ladder, others after them as given.
    pub rungs: Vec<Rung>,
    /// The seeds of each rung's trainings. The split is the first seed's, for all of them.
    pub seeds: Vec<u64>,
    /// Height and width of the input in pixels; by default each rung's own, but where it does not enlarge photos, never more than they have.
    pub size: Option<ImageSize>,
    /// How long each training takes.
    pub length: Length,
    /// Whether moving averages are evaluated as they are, even where they lag behind the weights.
    pub moving_statistics: bool,
    /// Where to compute.
    pub device: Device,
    /// How activations are stored.
    pub precision: Precision,
    /// Threads that compute and load.
    pub threads: usize,
    /// Where the climb goes.
    pub place: ClimbPlace,
    /// Where decoded photos are kept, for all rungs together.
    pub cache: CacheConfig,
}

/// How long each training takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Length {
    /// At most as many epochs as the rung says.
    Rung,
    /// At most this many epochs.
    Epochs(usize),
    /// As many epochs as fit into this time for the whole climb, by the measured time of each rung's first epoch, and at
    /// most as many as the rung says.
    Budget(Duration),
}

/// Where a climb goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClimbPlace {
    /// A directory `<data>-<n>` below this one: that of an earlier climb with the same settings, else a new one.
    Below(PathBuf),
    /// This directory itself: new, empty, or that of a climb with the same settings.
    Exactly(PathBuf),
}

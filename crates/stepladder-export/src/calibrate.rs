//! The ranges of activations that an int8 model needs, learned from photos: the f32 export runs in rten, and every value of
//! its graph is counted.

use crate::error::ExportError;
use crate::histogram::Histogram;
use crate::onnx::observable;
use crate::runtime::Runtime;
use stepladder_classifier::Classifier;
use stepladder_data::RgbPhoto;
use stepladder_model::Graph;

/// How many bytes of activations are held at once. More are computed in several passes over the photo.
const HELD_BYTES: u64 = 256 << 20;

/// Which range of an activation's values int8 spans; what lies outside is cut off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CalibrationRange {
    /// From the least to the greatest.
    MinMax,
    /// Without this share of the values at each end.
    Percentile {
        /// A share, below a half.
        outside: f64,
    },
}

impl Default for CalibrationRange {
    fn default() -> Self {
        CalibrationRange::Percentile { outside: 1e-5 }
    }
}

/// Ranges for an int8 model.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantization {
    /// The least and greatest value of each operation of the graph.
    pub(crate) ranges: Vec<[f32; 2]>,
    method: CalibrationRange,
    photos: usize,
}

impl Quantization {
    /// Runs `photos`, of the size of the model's input, through the model on `threads` threads, and keeps the ranges. `done` is
    /// told after each photo.
    ///
    /// # Errors
    ///
    /// Without photos, and where the runtime cannot run the model.
    pub fn calibrate(
        classifier: &Classifier,
        photos: &[RgbPhoto],
        method: CalibrationRange,
        threads: usize,
        done: impl Fn(),
    ) -> Result<Quantization, ExportError> {
        if photos.is_empty() {
            return Err(ExportError::NoCalibrationPhotos);
        }
        let (onnx, graph, names) = observable(classifier);
        let runtime = Runtime::load_observable(onnx, threads)?;
        let mut histograms = vec![Histogram::new(); graph.operations.len()];
        let passes = passes(&graph);
        for photo in photos {
            for pass in &passes {
                let names: Vec<&str> = pass.clone().map(|index| names[index].as_str()).collect();
                let values = runtime.values(photo, &names)?;
                for (histogram, values) in histograms[pass.clone()].iter_mut().zip(values) {
                    histogram.extend(&values);
                }
            }
            done();
        }
        let outside = match method {
            CalibrationRange::MinMax => 0.0,
            CalibrationRange::Percentile { outside } => outside,
        };
        Ok(Quantization {
            ranges: histograms
                .iter()
                .map(|histogram| histogram.range(outside))
                .collect(),
            method,
            photos: photos.len(),
        })
    }

    /// For the file's metadata.
    pub(crate) fn description(&self) -> String {
        let range = match self.method {
            CalibrationRange::MinMax => "from least to greatest".to_string(),
            CalibrationRange::Percentile { outside } => {
                format!("without {outside} of the values at each end")
            }
        };
        format!(
            "int8, static: weights per channel, activations {range}, over {} validation photos",
            self.photos
        )
    }
}

/// The operations in groups whose values, of one photo, may be held together.
fn passes(graph: &Graph) -> Vec<std::ops::Range<usize>> {
    let mut passes = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, operation) in graph.operations.iter().enumerate() {
        let more = operation.output.count() * 4;
        if index > start && bytes + more > HELD_BYTES {
            passes.push(start..index);
            (start, bytes) = (index, 0);
        }
        bytes += more;
    }
    passes.push(start..graph.operations.len());
    passes
}

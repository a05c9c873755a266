//! The whole of what was found ([`Inspection`]), from one pass over the photos.

use serde::Serialize;
use stepladder_data::{DataError, Dataset, Progress};
use stepladder_model::ImageSize;

use crate::duplicates::{Group, groups};
use crate::finding::{Evidence, Finding};
use crate::look::Look;
use crate::statistics::{Quartiles, Statistics, beyond_input};

/// A data set, looked over.
#[derive(Debug, Serialize)]
pub struct Inspection {
    /// The data as the user named it.
    pub data: String,
    /// Figures of the photos that can be read.
    #[serde(flatten)]
    pub statistics: Statistics,
    /// What is wrong, the serious things first.
    pub findings: Vec<Finding>,
    #[serde(skip)]
    pub(crate) groups: Vec<Group>,
    #[serde(skip)]
    pub(crate) looks: Vec<Option<Look>>,
}

impl Inspection {
    /// Quartiles of the share of a photo's area that `fit = "crop"` leaves out for input of this shape.
    pub fn beyond_input(&self, input: ImageSize) -> Quartiles {
        beyond_input(&self.looks, input)
    }

    /// Reads and decodes every photo once, on `threads` threads. Which photos there are, and what is found, does not depend on their
    /// number.
    pub fn new(dataset: &Dataset, threads: usize, progress: &dyn Progress) -> Result<Self, DataError> {
        let scanned = dataset.scan(threads, progress, |_, scanned| Look::new(scanned))?;
        let mut looks = Vec::with_capacity(scanned.len());
        let mut reasons = Vec::new();
        for (look, number) in scanned.into_iter().zip(0..) {
            looks.push(look.map_err(|reason| reasons.push((number, reason))).ok());
        }
        let known: Vec<_> = looks
            .iter_mut()
            .map(|look| look.as_mut().map(|look| (look.content, look.fingerprint.take())))
            .collect();
        let groups = groups(&known);
        let statistics = Statistics::new(dataset, &looks);
        let evidence = Evidence {
            dataset,
            looks: &looks,
            reasons: &reasons,
            groups: &groups,
            statistics: &statistics,
        };
        let findings = evidence.findings();
        Ok(Self {
            data: dataset.origin.clone(),
            statistics,
            findings,
            groups,
            looks,
        })
    }
}

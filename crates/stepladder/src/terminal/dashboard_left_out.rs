//! In the place of the dashboard, in a build without the feature `tui`: nobody can open one.

use crate::commands::left_out;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use stepladder_train::{EpochRecord, StepRecord};

/// There is none.
pub(crate) enum Dashboard {}

impl Dashboard {
    pub fn open(_: &Arc<AtomicBool>) -> anyhow::Result<Dashboard> {
        Err(left_out("--tui", "tui"))
    }

    pub fn prepared(&self, _: &str, _: &str, _: &Path, _: usize) {
        match *self {}
    }

    pub fn begin(&self, _: u64, _: &str) {
        match *self {}
    }

    pub fn done(&self, _: u64) {
        match *self {}
    }

    pub fn end(&self) {
        match *self {}
    }

    pub fn step(&self, _: &StepRecord, _: usize, _: usize) {
        match *self {}
    }

    pub fn epoch(&self, _: &EpochRecord, _: Duration) {
        match *self {}
    }

    pub fn say(&self, _: &str) {
        match *self {}
    }

    pub fn close(&self) {
        match *self {}
    }
}

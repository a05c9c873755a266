//! The data of a run, from what was asked for to what `config.json` says of it, and back.

use std::path::{Path, PathBuf};
use stepladder_data::{DataRequest, Reading, path_of, shown_path};
use stepladder_run::{DataRecord, ReadingRecord};

/// Writes a request down, with absolute paths.
pub fn data_record(request: &DataRequest) -> DataRecord {
    // Where the current folder is gone, the path as given is the best that is known.
    let absolute = |path: &Option<PathBuf>| {
        path.as_ref()
            .map(|path| written(&std::path::absolute(path).unwrap_or_else(|_| path.clone())))
    };
    let reading = request.reading.clone();
    DataRecord {
        shipped: request.memory.as_ref().map(|(name, _)| name.clone()),
        path: absolute(&request.path),
        table: absolute(&request.table),
        train: absolute(&request.train),
        val: absolute(&request.val),
        test: absolute(&request.test),
        reading: ReadingRecord {
            layout: reading.layout,
            class_from: reading.class_from,
            group_by: reading.group_by,
            follow_links: reading.follow_links,
            classes: reading.classes,
            zip_names: reading.zip_names,
        },
    }
}

/// The request again. `shipped` gives the bytes of the set inside the program.
pub fn data_request(record: &DataRecord, shipped: &'static [u8]) -> DataRequest {
    let path = |path: &Option<PathBuf>| path.as_deref().map(read);
    let reading = record.reading.clone();
    DataRequest {
        memory: record.shipped.clone().map(|name| (name, shipped)),
        path: path(&record.path),
        table: path(&record.table),
        train: path(&record.train),
        val: path(&record.val),
        test: path(&record.test),
        reading: Reading {
            layout: reading.layout,
            class_from: reading.class_from,
            group_by: reading.group_by,
            follow_links: reading.follow_links,
            classes: reading.classes,
            zip_names: reading.zip_names,
        },
    }
}

/// JSON holds text only: a path that is none is written as lists show it.
fn written(path: &Path) -> PathBuf {
    match path.to_str() {
        Some(_) => path.to_path_buf(),
        None => PathBuf::from(shown_path(path)),
    }
}

fn read(path: &Path) -> PathBuf {
    let real = path.to_str().map(path_of);
    real.filter(|real| !path.exists() && real.exists())
        .unwrap_or_else(|| path.to_path_buf())
}

//! The data of a run, from what was asked for to what `config.json` says of it, and back.

use std::path::PathBuf;
use stepladder_data::{DataRequest, LevelsChoice, TableForm};
use stepladder_run::{DataRecord, TableRecord};

/// Writes a request down, with absolute paths.
pub fn data_record(request: &DataRequest) -> DataRecord {
    // Where the current folder is gone, the path as given is the best that is known.
    let absolute = |path: &Option<PathBuf>| {
        path.as_ref()
            .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()))
    };
    DataRecord {
        shipped: request.memory.as_ref().map(|(name, _)| name.clone()),
        path: absolute(&request.path),
        table: absolute(&request.table),
        table_form: table_record(&request.table_form),
        levels: Some(request.levels)
            .filter(|levels| *levels != LevelsChoice::AsStored)
            .map(|levels| levels.to_string()),
        max_pixels: request.max_pixels,
        train: absolute(&request.train),
        val: absolute(&request.val),
        test: absolute(&request.test),
    }
}

/// The request again. `shipped` gives the bytes of the set inside the program.
pub fn data_request(record: &DataRecord, shipped: &'static [u8]) -> DataRequest {
    DataRequest {
        memory: record.shipped.clone().map(|name| (name, shipped)),
        path: record.path.clone(),
        table: record.table.clone(),
        table_form: table_form(&record.table_form),
        // A text that is no choice was never written by us; the files' own levels are then the best that is known.
        levels: record
            .levels
            .as_ref()
            .and_then(|levels| levels.parse().ok())
            .unwrap_or_default(),
        max_pixels: record.max_pixels,
        train: record.train.clone(),
        val: record.val.clone(),
        test: record.test.clone(),
    }
}

fn table_record(form: &TableForm) -> TableRecord {
    let TableForm {
        encoding,
        file,
        class,
        split,
    } = form.clone();
    TableRecord {
        encoding,
        file,
        class,
        split,
    }
}

fn table_form(record: &TableRecord) -> TableForm {
    let TableRecord {
        encoding,
        file,
        class,
        split,
    } = record.clone();
    TableForm {
        encoding,
        file,
        class,
        split,
    }
}

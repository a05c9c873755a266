//! `stepladder inspect`: reads every photo of a data set once, says what is in it and what is wrong with it, and writes the page and
//! the table of kept photos.

use super::{check_page, data, has_extension, reading_words, threads};
use crate::Ending;
use crate::arguments::InspectArguments;
use crate::signals::stop_on_signals;
use crate::terminal::{Output, ProgressBar, quoted, show_inspection};
use anyhow::{Context, ensure};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use stepladder_data::{DataError, DataRequest, Dataset};
use stepladder_inspection::{Inspection, Kept, Quartiles};
use stepladder_model::ImageSize;
use stepladder_run::write_atomically;

/// The result for programs.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    inspection: &'a Inspection,
    /// With `--size`: of the share of a photo's area that a crop to that shape leaves out.
    #[serde(skip_serializing_if = "Option::is_none")]
    beyond_input: Option<Quartiles>,
    /// The table's file, and the photos that it keeps and leaves out.
    fix: Option<Fix>,
    /// The page's file.
    html: Option<String>,
}

#[derive(Serialize)]
struct Fix {
    table: String,
    kept: usize,
    left_out: usize,
}

pub(crate) fn inspect(arguments: InspectArguments, output: &Output) -> anyhow::Result<Ending> {
    let threads = threads(arguments.threads)?;
    let request = data(arguments.data, arguments.parts);
    // What cannot be written is said before minutes of reading.
    if let Some(table) = &arguments.fix {
        check_table(table, &request)?;
    }
    if let Some(page) = &arguments.html {
        check_page(page)?;
    }
    let interrupt = stop_on_signals()?;
    let bar = ProgressBar::new(output).stopped_by(Arc::clone(&interrupt));
    let dataset = Dataset::open_for_evaluation(&request)?;
    let outcome = super::on_threads(threads, || {
        let inspection = Inspection::new(&dataset, threads, &bar)?;
        #[cfg(feature = "pages")]
        let page = match &arguments.html {
            Some(_) => Some(stepladder_inspection::page(&dataset, &inspection, threads, &bar)?),
            None => None,
        };
        // `check_page` has refused one.
        #[cfg(not(feature = "pages"))]
        let page: Option<String> = None;
        Ok((inspection, page))
    });
    let (inspection, page) = match outcome {
        Err(error) if matches!(error.downcast_ref(), Some(DataError::Cancelled)) => {
            return Ok(Ending::Interrupted);
        }
        outcome => outcome?,
    };
    show_inspection(
        output,
        &inspection,
        arguments.size.unwrap_or(ImageSize::square(1)),
    );
    let html = arguments.html.map(|path| path.display().to_string());
    if let (Some(path), Some(page)) = (&html, page) {
        write_atomically(Path::new(path), page.as_bytes()).with_context(|| format!("cannot write {path}"))?;
        output.line(&format!("page        {path}"));
    }
    let fix = match &arguments.fix {
        Some(path) => Some(write_table(path, &dataset, &inspection, output)?),
        None => None,
    };
    next(output, &request, &inspection, html.as_deref(), fix.as_ref());
    output.json(&Report {
        inspection: &inspection,
        beyond_input: arguments.size.map(|size| inspection.beyond_input(size)),
        fix,
        html,
    })?;
    Ok(Ending::Done)
}

fn write_table(
    path: &Path,
    dataset: &Dataset,
    inspection: &Inspection,
    output: &Output,
) -> anyhow::Result<Fix> {
    ensure!(
        !inspection
            .statistics
            .formats
            .iter()
            .any(|format| format.kind == "IDX"),
        "--fix cannot name single photos of IDX files; it needs a zip, a folder or a table"
    );
    let kept = Kept::new(dataset, inspection);
    let delimiter = if has_extension(path, &["tsv"]) {
        b'\t'
    } else {
        b','
    };
    let mut rows = Vec::new();
    kept.write(dataset, delimiter, &mut rows)?;
    write_atomically(path, &rows).with_context(|| format!("cannot write {}", path.display()))?;
    let table = path.display().to_string();
    output.line(&format!(
        "table       {table}: {} photos kept, {} left out",
        kept.photos.len(),
        kept.left_out
    ));
    Ok(Fix {
        table,
        kept: kept.photos.len(),
        left_out: kept.left_out,
    })
}

/// What to type next.
fn next(
    output: &Output,
    request: &DataRequest,
    inspection: &Inspection,
    html: Option<&str>,
    fix: Option<&Fix>,
) {
    let Some(path) = data_path(request) else { return };
    let path = quoted(&path.display().to_string());
    let data = format!("{path}{}", reading_words(&request.reading, false));
    let findings = !inspection.findings.is_empty();
    output.line("");
    output.line("Next:");
    if findings && html.is_none() {
        output.hint(&format!("stepladder inspect {data} --html inspection.html"));
    }
    match fix {
        Some(fix) => {
            let words = reading_words(&request.reading, true);
            output.hint(&format!(
                "stepladder train {path} --table {}{words}",
                quoted(&fix.table)
            ));
        }
        None if findings => output.hint(&format!("stepladder inspect {data} --fix kept.csv")),
        None => {}
    }
    if fix.is_none() {
        output.hint(&format!("stepladder train {data}"));
    }
}

/// What a table's names are relative to: the data, or the folder of a table that was given alone.
fn data_path(request: &DataRequest) -> Option<&Path> {
    let path = request.path.as_deref().or(request.table.as_deref())?;
    let alone = has_extension(path, &["csv", "tsv", "tab"]) && path.is_file();
    let folder = || {
        path.parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
    };
    Some(if alone { folder() } else { path })
}

fn check_table(table: &Path, request: &DataRequest) -> anyhow::Result<()> {
    ensure!(
        has_extension(table, &["csv", "tsv"]),
        "--fix {}: a table's name must end in .csv or .tsv",
        table.display()
    );
    ensure!(
        !table.exists(),
        "--fix {}: that file is there already and is not overwritten; give another name",
        table.display()
    );
    ensure!(
        request.train.is_none() && request.val.is_none() && request.test.is_none(),
        "--fix needs one data set; put the archives into one folder as train, val and test"
    );
    ensure!(
        request.memory.is_none(),
        "--fix needs a data set of your own; the shipped photos need no table"
    );
    Ok(())
}

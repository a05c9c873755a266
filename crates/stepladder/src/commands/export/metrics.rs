//! The figures of a run for other programs: CSV, TensorBoard, MLflow.

use crate::Ending;
use crate::arguments::{ExportArguments, ExportFormat};
use crate::terminal::{Output, quoted};
use serde_json::json;
use std::path::PathBuf;
use stepladder_metrics::{write_events, write_mlflow, write_tables};
use stepladder_train::RecordedRun;

pub(super) fn export(arguments: &ExportArguments, output: &Output) -> anyhow::Result<Ending> {
    anyhow::ensure!(
        arguments.run.is_dir(),
        "{} is no directory; figures are exported from the directory of a run",
        arguments.run.display()
    );
    let run = RecordedRun::read(&arguments.run)?;
    let started = run.environment()?.started;
    let folder = |name: &str| arguments.out.clone().unwrap_or_else(|| arguments.run.join(name));
    let line = |what: &str, folder: &PathBuf, text: &str| {
        output.line(&format!("{what:12}{}: {text}", folder.display()));
        output.line("");
        output.line("Next:");
    };
    let written = match arguments.format {
        ExportFormat::Tensorboard => {
            let folder = folder("tensorboard");
            write_events(&run.epochs, &run.steps()?, started, &folder)?;
            line(
                "events",
                &folder,
                "loss, accuracy and learning rate of each step and epoch",
            );
            output.hint(&format!(
                "tensorboard --logdir {}",
                quoted(&folder.display().to_string())
            ));
            folder
        }
        ExportFormat::Mlflow => {
            let mlruns = folder("mlruns");
            let name = std::path::absolute(&arguments.run)?;
            let name = name.file_name().unwrap_or(name.as_os_str()).to_string_lossy();
            let folder = write_mlflow(&run, &name, started, &mlruns)?;
            line("run", &folder, "figures of each epoch, settings as parameters");
            output.hint(&format!(
                "mlflow ui --backend-store-uri {}",
                quoted(&mlruns.display().to_string())
            ));
            folder
        }
        _ => {
            let folder = folder("metrics");
            write_tables(&run.epochs, &run.steps()?, &folder)?;
            line("tables", &folder, "epochs.csv and steps.csv");
            output.hint(&format!(
                "head {}",
                quoted(&folder.join("epochs.csv").display().to_string())
            ));
            folder
        }
    };
    output.json(&json!({
        "run": arguments.run,
        "format": arguments.format.name(),
        "file": written,
    }))?;
    Ok(Ending::Done)
}

//! A trained model as a file or folder of its own: weights, scripts for Keras and PyTorch, or ONNX.

use super::onnx;
use crate::Ending;
use crate::arguments::{ExportArguments, ExportFormat};
use crate::commands::{model_file, on_threads, threads};
use crate::terminal::{Output, file_size, quoted, warn};
use anyhow::Context;
use serde_json::json;
use std::path::{Path, PathBuf};
use stepladder_classifier::Classifier;
use stepladder_data::Levels;
use stepladder_export::{write_python, write_weights};
use stepladder_nn::Device;
use stepladder_run::RunDirectory;

pub(super) fn export(arguments: &ExportArguments, output: &Output) -> anyhow::Result<Ending> {
    let threads = threads(arguments.threads)?;
    on_threads(threads, || {
        let model = model_file(&arguments.run)?;
        let classifier = Classifier::load(&model, Device::Cpu)?;
        if let Some(Levels { black, white }) = classifier.decoding().levels {
            warn(&format!(
                "this model was trained on photos of more than 8 bits with {black} as black and {white} as white; other programs must stretch such photos so before it sees them"
            ));
        }
        match arguments.format {
            ExportFormat::Safetensors => {
                let file = place(arguments, &model, "weights.safetensors")?;
                write_weights(&classifier, &file)?;
                show_file(
                    "weights",
                    &file,
                    "every parameter under Keras' name, in f32",
                    output,
                );
                output.json(&result(arguments, &classifier, &file))?;
                Ok(Ending::Done)
            }
            ExportFormat::Keras => {
                let folder = place(arguments, &model, "keras")?;
                write_python(&classifier, &folder)?;
                output.line(&format!(
                    "folder      {}: weights, the network as TOML, and scripts that build it",
                    folder.display()
                ));
                output.line("");
                output.line("Next:");
                for library in ["keras", "torch"] {
                    let script = format!("stepladder_{library}");
                    output.hint(&format!(
                        "cd {} && python -c \"import {script}; {script}.load('.')\"",
                        quoted(&folder.display().to_string())
                    ));
                }
                output.json(&result(arguments, &classifier, &folder))?;
                Ok(Ending::Done)
            }
            _ => onnx::export(arguments, &model, &classifier, threads, output),
        }
    })
}

/// Where the export goes. What is there already is replaced only if it is an earlier export at its place in the run.
pub(super) fn place(arguments: &ExportArguments, model: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = match &arguments.out {
        Some(path) => path.clone(),
        None if arguments.run.is_dir() => {
            return match name.contains('.') {
                true => Ok(model.with_file_name(name)),
                false => Ok(RunDirectory::open(&arguments.run).own_folder(name)?),
            };
        }
        // Beside a file of any name, a name after it.
        None => {
            let stem = model.file_stem().unwrap_or_default().to_string_lossy();
            model.with_file_name(match name.split_once('.') {
                Some(("model", ending)) => format!("{stem}.{ending}"),
                _ => format!("{stem}-{name}"),
            })
        }
    };
    let is_free = !path.exists() || path.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    anyhow::ensure!(
        is_free,
        "{} is there already; choose another place with --out, or remove it",
        path.display()
    );
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    Ok(path)
}

/// `weights     runs/x/weights.safetensors: 0.3 MiB, what it is`.
pub(super) fn show_file(what: &str, file: &Path, description: &str, output: &Output) {
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    output.line(&format!(
        "{what:12}{}: {}, {description}",
        file.display(),
        file_size(size)
    ));
}

/// What `--json` prints of every format.
pub(super) fn result(arguments: &ExportArguments, classifier: &Classifier, file: &Path) -> serde_json::Value {
    json!({
        "run": arguments.run,
        "model": classifier.rung().name,
        "format": arguments.format.name(),
        "file": file,
        "size": classifier.size(),
        "classes": classifier.classes(),
    })
}

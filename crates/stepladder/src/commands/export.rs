//! `stepladder export`: a trained model, or the figures of its training, for other programs.

#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "export")]
mod model;
#[cfg(feature = "export")]
mod onnx;
#[cfg(feature = "export")]
mod photos;

use super::known_run;
use crate::Ending;
use crate::arguments::{ExportArguments, ExportFormat};
use crate::terminal::Output;

pub(crate) fn export(mut arguments: ExportArguments, output: &Output) -> anyhow::Result<Ending> {
    arguments.run = known_run(&arguments.run)?;
    if arguments.format != ExportFormat::Onnx {
        let of_onnx = [
            ("--quantize", arguments.quantize.is_some()),
            ("--license", arguments.license.is_some()),
            ("--author", arguments.author.is_some()),
        ];
        if let Some((option, _)) = of_onnx.into_iter().find(|(_, given)| *given) {
            anyhow::bail!("{option} is for ONNX files; leave it out, or export --format onnx");
        }
    }
    match arguments.format.is_figures() {
        true => figures(&arguments, output),
        false => model(&arguments, output),
    }
}

#[cfg(feature = "metrics")]
use metrics::export as figures;

#[cfg(not(feature = "metrics"))]
fn figures(arguments: &ExportArguments, _: &Output) -> anyhow::Result<Ending> {
    let what = format!("export --format {}", arguments.format.name());
    Err(super::left_out(&what, "metrics"))
}

#[cfg(feature = "export")]
use model::export as model;

#[cfg(not(feature = "export"))]
fn model(arguments: &ExportArguments, _: &Output) -> anyhow::Result<Ending> {
    let what = format!("export --format {}", arguments.format.name());
    Err(super::left_out(&what, "export"))
}

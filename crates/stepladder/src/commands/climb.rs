//! `stepladder climb`: from what was typed to a climb, its progress, and what each change was worth.

use super::start::{self, Wanted};
use super::{cache, data, hub, on_threads, threads};
use crate::Ending;
use crate::arguments::{ClimbArguments, Ladder};
use crate::signals::stop_on_signals;
use crate::terminal::{ClimbView, Output, show_climb};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use stepladder_climb::{ClimbError, ClimbPlace, ClimbRequest, Length};
use stepladder_data::DataError;
use stepladder_model::{Rung, beyond, pretrained, shipped};

pub(crate) fn climb(arguments: ClimbArguments, output: &Output) -> anyhow::Result<Ending> {
    let request = request(arguments, output)?;
    for rung in &request.rungs {
        hub::bring_start_of(rung, output)?;
    }
    let interrupt = stop_on_signals()?;
    let view = ClimbView::new(output, &interrupt);
    let climbed = on_threads(request.threads, || {
        Ok(stepladder_climb::climb(&request, &view, &interrupt))
    })?;
    view.clear();
    let record = match climbed {
        // Stopped before the first training: there is nothing to show.
        Err(ClimbError::Data(DataError::Cancelled)) => return Ok(Ending::Interrupted),
        climbed => climbed?,
    };
    show_climb(&record, output);
    output.json(&record)?;
    Ok(if interrupt.load(Ordering::Relaxed) && !record.complete {
        Ending::Interrupted
    } else {
        Ending::Done
    })
}

/// What the words on the command line mean.
fn request(arguments: ClimbArguments, output: &Output) -> anyhow::Result<ClimbRequest> {
    let threads = threads(arguments.computing.threads)?;
    anyhow::ensure!(
        (1..=1000).contains(&arguments.seeds),
        "--seeds {} is impossible; give 1 to 1000",
        arguments.seeds
    );
    Ok(ClimbRequest {
        rungs: rungs(&arguments, output)?,
        seeds: (0..arguments.seeds).collect(),
        size: arguments.size,
        length: match (arguments.epochs, arguments.budget) {
            (Some(epochs), _) => Length::Epochs(epochs),
            (None, Some(budget)) => Length::Budget(budget),
            (None, None) => Length::Rung,
        },
        moving_statistics: arguments.moving_statistics,
        device: arguments.computing.device,
        precision: arguments.computing.precision.on(arguments.computing.device),
        threads,
        place: match arguments.into {
            Some(path) => ClimbPlace::Exactly(path),
            None => ClimbPlace::Below(PathBuf::from("climbs")),
        },
        cache: cache(&arguments.cache, threads)?,
        data: data(arguments.data, arguments.parts),
    })
}

/// The rungs that were named, or all that are shipped.
fn rungs(arguments: &ClimbArguments, output: &Output) -> anyhow::Result<Vec<Rung>> {
    // A build without the weights climbs without the rungs that start from them.
    let weights = pretrained().iter().filter(|_| cfg!(feature = "shipped"));
    let named: Vec<&str> = match arguments.rungs.as_slice() {
        [] => match arguments.ladder {
            Ladder::Deck => shipped().iter().map(|rung| rung.name).collect(),
            Ladder::Beyond => std::iter::once("small")
                .chain(beyond().iter().chain(weights).map(|rung| rung.name))
                .collect(),
        },
        named => named.iter().map(|name| name.trim()).collect(),
    };
    let rungs = named.into_iter().map(|name| {
        let wanted = Wanted {
            model: Some(name),
            start: arguments.start.as_deref(),
            frozen: None,
        };
        let (rung, values) = start::rung(wanted, None, output)?;
        let rung = rung.with_overrides(values.iter().map(|(key, value)| (key.as_str(), value.as_str())))?;
        // A number of epochs is checked as the rung's own would be.
        Ok(match arguments.epochs {
            Some(epochs) => rung.with_override("training.epochs", &epochs.to_string())?,
            None => rung,
        })
    });
    rungs.collect()
}

//! Models of the Hugging Face hub: what a training starts from is downloaded where the cache lacks it.

use crate::terminal::Output;
use stepladder_model::Rung;

/// Brings what a rung starts from into the cache.
pub(super) fn bring_start_of(rung: &Rung, output: &Output) -> anyhow::Result<()> {
    match &rung.start {
        Some(start) => bring(&start.weights, output),
        None => Ok(()),
    }
}

/// Brings `hf:OWNER/NAME` into the cache, if it is not there; other weights are no matter of the hub's.
#[cfg(feature = "hub")]
pub(super) fn bring(weights: &str, output: &Output) -> anyhow::Result<()> {
    use crate::terminal::{ProgressBar, note};
    use std::sync::atomic::Ordering;
    use stepladder_weights::{Hub, HubServer, WeightsError};

    let Some(name) = weights.strip_prefix("hf:") else {
        return Ok(());
    };
    let hub = Hub::of_user();
    match hub.find(name) {
        Ok(_) => return Ok(()),
        Err(WeightsError::NotCached { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let Some(server) = HubServer::of_user() else {
        anyhow::bail!(
            "hf:{name}: not in the cache of Hugging Face, {}, and HF_HUB_OFFLINE is set; unset it, or copy the model there",
            hub.root().display()
        );
    };
    let interrupt = crate::signals::stop_on_signals()?;
    let bar = ProgressBar::new(output);
    let mut begun = false;
    let model = server.download(name, &hub, &mut |done, size| {
        if !std::mem::replace(&mut begun, true) {
            bar.begin_bytes(size.unwrap_or(0), format!("downloading {name}"));
        }
        bar.set(done);
        !interrupt.load(Ordering::Relaxed)
    });
    bar.clear();
    model?;
    note(&format!(
        "note        downloaded {name} from {}",
        server.endpoint()
    ));
    Ok(())
}

/// Without the feature, only what is in the cache.
#[cfg(not(feature = "hub"))]
pub(super) fn bring(_weights: &str, _output: &Output) -> anyhow::Result<()> {
    Ok(())
}

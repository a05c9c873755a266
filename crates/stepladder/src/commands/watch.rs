//! `stepladder watch`: a live page on trainings, until Ctrl-C.

use super::known_run;
use super::known_runs::USUAL;
use super::server::{end, not_listening, runtime, stopped, token};
use crate::Ending;
use crate::arguments::WatchArguments;
use crate::terminal::{Output, note, warn};
use anyhow::Context;
use serde_json::json;
use std::path::PathBuf;
use stepladder_lookout::{Lookout, LookoutConfig, State, new_token};

pub(crate) fn watch(mut arguments: WatchArguments, output: &Output) -> anyhow::Result<Ending> {
    for run in &mut arguments.runs {
        *run = known_run(run)?;
    }
    for path in &arguments.runs {
        anyhow::ensure!(
            path.is_dir(),
            "{} is no directory; give the directory of a run, a climb, or a folder that holds them",
            path.display()
        );
    }
    let token = match token(&arguments.token)? {
        Some(token) => token,
        None => new_token().context("the system gives no random numbers for a token; choose a --token")?,
    };
    let config = LookoutConfig {
        host: arguments.host,
        port: arguments.port,
        token: token.clone(),
        roots: match arguments.runs.is_empty() {
            true => USUAL.map(PathBuf::from).into(),
            false => arguments.runs.clone(),
        },
    };
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        if !config.host.is_loopback() {
            warn(&format!(
                "whoever has the token can see and stop trainings from everywhere that reaches {}, and nothing is encrypted",
                config.host
            ));
        }
        let lookout = Lookout::bind(config).await.map_err(not_listening)?;
        let url = format!("http://{}", lookout.address());
        let runs = lookout.runs();
        let training = runs.iter().filter(|(_, state)| *state == State::Training).count();
        output.line(&format!("runs        {}, {training} in training", runs.len()));
        // Behind the #, the token is in no request and in no log.
        output.line(&format!("page        {url}/#token={token}"));
        output.json(&json!({ "url": url, "token": token, "runs": runs.len(), "training": training }))?;
        lookout.serve(stopped()?).await;
        note("stopped; the trainings go on");
        Ok(Ending::Done)
    });
    end(runtime);
    ended
}

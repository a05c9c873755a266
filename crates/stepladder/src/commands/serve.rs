//! `stepladder serve`: answers about photos over HTTP, until Ctrl-C.

use super::server::{TOKEN_VARIABLE, end, not_listening, runtime, stopped, token};
use super::{known_run, model_file, threads};
use crate::Ending;
use crate::arguments::ServeArguments;
use crate::terminal::{Output, note, quoted, warn};
use serde_json::json;
use std::path::PathBuf;
use stepladder_server::{Models, Notice, Server, ServerConfig};

pub(crate) fn serve(arguments: ServeArguments, output: &Output) -> anyhow::Result<Ending> {
    let files: Vec<PathBuf> = arguments
        .models
        .iter()
        .map(|run| model_file(&known_run(run)?))
        .collect::<Result<_, _>>()?;
    let config = config(&arguments)?;
    let authorization = authorization(&config, &arguments.token);
    let models = Models::load(&files, arguments.device)?;
    let served = models.info();
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        if !config.host.is_loopback() && config.token.is_none() {
            warn(&format!(
                "everybody who reaches {} can ask, and nothing is encrypted; give a --token, and put a proxy with TLS in front",
                config.host
            ));
        }
        let server = Server::bind(config, models).await.map_err(not_listening)?;
        let url = format!("http://{}", server.address());
        for model in &served {
            output.line(&format!(
                "model       {}: {}, {} classes, {} px",
                model.name,
                model.rung,
                model.classes.len(),
                model.size
            ));
        }
        output.line(&format!("serving     {url}"));
        output.line("");
        output.line("Try it in a browser, or:");
        output.hint(&format!(
            "curl --data-binary @PHOTO.jpg -H 'Content-Type: image/jpeg'{authorization} {url}/v1/predict"
        ));
        output.json(&json!({ "url": url, "models": served }))?;
        server.serve(stopped()?, tell).await;
        note("stopped; every request that had begun was answered");
        Ok(Ending::Done)
    });
    end(runtime);
    ended
}

fn config(arguments: &ServeArguments) -> anyhow::Result<ServerConfig> {
    for (flag, value, most) in [
        ("--batch", arguments.batch, 4096),
        ("--queue", arguments.queue, 65_536),
        ("--max-body", arguments.max_body, 1024),
        ("--max-pixels", arguments.max_pixels, 1000),
    ] {
        anyhow::ensure!(
            (1..=most).contains(&value),
            "{flag} {value} is out of its range; give 1 to {most}"
        );
    }
    for origin in &arguments.cors {
        anyhow::ensure!(
            is_origin(origin),
            "--cors {origin} is no origin; write scheme and host alone, e.g. https://example.org"
        );
    }
    let usual = ServerConfig::default();
    let body_bytes = arguments.max_body << 20;
    Ok(ServerConfig {
        host: arguments.host,
        port: arguments.port,
        token: token(&arguments.token)?,
        origins: arguments.cors.clone(),
        threads: threads(arguments.threads)?,
        batch: arguments.batch,
        queue: arguments.queue,
        body_bytes,
        bodies_bytes: usual.bodies_bytes.max(2 * body_bytes),
        pixels: arguments.max_pixels as u64 * 1_000_000,
        photos: usual.photos.min(arguments.queue),
        ..usual
    })
}

/// What the example needs where there is a token: one from the environment is not repeated.
fn authorization(config: &ServerConfig, given: &Option<String>) -> String {
    match (&config.token, given) {
        (None, _) => String::new(),
        (Some(_), None) => format!(" -H \"Authorization: Bearer ${TOKEN_VARIABLE}\""),
        (Some(token), Some(_)) => format!(" -H {}", quoted(&format!("Authorization: Bearer {token}"))),
    }
}

/// Whether a text is an origin as browsers send it: scheme, host, perhaps a port, and no path.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("http://").or(text.strip_prefix("https://"));
    host.is_some_and(|host| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
    })
}

fn tell(notice: Notice) {
    match notice {
        Notice::Reloaded { model } => note(&format!("{model}: a newer model answers from now on")),
        Notice::NotReloaded { model, reason } => {
            warn(&format!(
                "{model}: the newer model cannot be used, and the one before goes on: {reason}"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_no_path() {
        assert!(is_origin("https://example.org") && is_origin("http://localhost:3000"));
        for wrong in [
            "example.org",
            "https://",
            "https://example.org/",
            "*",
            "https://a b",
        ] {
            assert!(!is_origin(wrong), "{wrong}");
        }
    }
}

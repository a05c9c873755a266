//! A Hugging Face hub: what it says of a model's files, and their bytes.
//!
//! `HEAD ENDPOINT/OWNER/NAME/resolve/main/FILE` is answered with the commit (`X-Repo-Commit`) and the content's SHA-256
//! (`X-Linked-Etag`), on the way to a server that has the bytes.

use super::{is_commit, is_hexadecimal};
use crate::error::WeightsError;
use std::env;
use std::time::Duration;
use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::{Agent, Body, RequestBuilder};

/// Where models are when nothing else is said.
const ENDPOINT: &str = "https://huggingface.co";

/// Longest wait for a connection, and for the head of an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longest time for one answer's body; a longer download asks again for the rest.
const BODY: Duration = Duration::from_secs(120);

/// Redirects within the hub that are followed.
const REDIRECTS: usize = 5;

/// A hub to download from.
#[derive(Clone, Debug)]
pub struct HubServer {
    endpoint: String,
    token: Option<String>,
    agent: Agent,
}

/// What the hub says of a file before it sends it.
pub(super) struct Promise {
    /// The version of the model, in hexadecimal digits.
    pub commit: String,
    /// Of the content, where the hub knows it: of large files, not of texts.
    pub sha256: Option<String>,
    /// In bytes.
    pub size: Option<u64>,
}

impl HubServer {
    /// The hub at this address, as `https://huggingface.co`.
    pub fn new(endpoint: &str) -> HubServer {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_recv_body(Some(BODY))
            .user_agent(concat!("stepladder/", env!("CARGO_PKG_VERSION")))
            .build();
        HubServer {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: None,
            agent: config.into(),
        }
    }

    /// The user's hub: `$HF_ENDPOINT`, or Hugging Face's; `$HF_TOKEN` opens what is private. `None` where `$HF_HUB_OFFLINE` is set.
    pub fn of_user() -> Option<HubServer> {
        let variable = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
        let offline = variable("HF_HUB_OFFLINE")
            .is_some_and(|value| ["1", "on", "yes", "true"].contains(&value.trim().to_lowercase().as_str()));
        (!offline).then(|| HubServer {
            token: variable("HF_TOKEN").map(|token| token.trim().to_owned()),
            ..HubServer::new(variable("HF_ENDPOINT").as_deref().unwrap_or(ENDPOINT))
        })
    }

    /// Its address.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What the hub says of a model's file; `None` where it has none of that name.
    pub(super) fn promise(&self, name: &str, file: &str) -> Result<Option<Promise>, WeightsError> {
        let mut url = self.url(name, file);
        let mut said = HeaderMap::new();
        for _ in 0..REDIRECTS {
            let request = self.with_token(self.agent.head(&url)).config();
            let answer = request.max_redirects(0).build().call();
            let answer = answer.map_err(|error| self.failed(name, error))?;
            // What the hub itself says counts, not the server that it sends us to.
            for (key, value) in answer.headers() {
                said.entry(key).or_insert_with(|| value.clone());
            }
            let status = answer.status();
            if status == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            if !status.is_success() && !status.is_redirection() {
                return Err(self.refused(name, status));
            }
            match within_hub(answer.headers()).filter(|_| status.is_redirection()) {
                Some(next) => url = format!("{}{next}", self.endpoint),
                None => break,
            }
        }
        self.read_promise(name, &said).map(Some)
    }

    fn read_promise(&self, name: &str, headers: &HeaderMap) -> Result<Promise, WeightsError> {
        let text = |key| headers.get(key).and_then(|value| value.to_str().ok());
        let tag = |key| text(key).map(|tag| tag.trim_start_matches("W/").trim_matches('"'));
        let commit = text("x-repo-commit").filter(|commit| is_commit(commit));
        let is_sha256 = |tag: &&str| tag.len() == 64 && is_hexadecimal(tag);
        let size = text("x-linked-size").or(text("content-length"));
        Ok(Promise {
            commit: commit
                .ok_or_else(|| self.unclear(name, "the model's commit (X-Repo-Commit)"))?
                .to_owned(),
            sha256: tag("x-linked-etag")
                .or(tag("etag"))
                .filter(is_sha256)
                .map(str::to_owned),
            size: size.and_then(|size| size.parse().ok()),
        })
    }

    /// A file of a model, from this byte on where the server can do that.
    pub(super) fn request(&self, name: &str, file: &str, from: u64) -> Result<Response<Body>, ureq::Error> {
        let request = self.with_token(self.agent.get(self.url(name, file)));
        match from {
            0 => request.call(),
            from => request.header("Range", format!("bytes={from}-")).call(),
        }
    }

    fn url(&self, name: &str, file: &str) -> String {
        format!("{}/{name}/resolve/main/{file}", self.endpoint)
    }

    fn with_token<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("Authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    pub(super) fn failed(&self, name: &str, error: ureq::Error) -> WeightsError {
        WeightsError::Download {
            name: name.to_owned(),
            endpoint: self.endpoint.clone(),
            source: Box::new(error),
        }
    }

    pub(super) fn refused(&self, name: &str, status: StatusCode) -> WeightsError {
        WeightsError::Refused {
            name: name.to_owned(),
            endpoint: self.endpoint.clone(),
            status: status.to_string(),
        }
    }

    pub(super) fn unclear(&self, name: &str, what: &'static str) -> WeightsError {
        WeightsError::Unclear {
            name: name.to_owned(),
            endpoint: self.endpoint.clone(),
            what,
        }
    }
}

/// Where an answer redirects to, if that is on the same server.
fn within_hub(headers: &HeaderMap) -> Option<String> {
    let next = headers.get("location")?.to_str().ok()?;
    (next.starts_with('/') && !next.starts_with("//")).then(|| next.to_owned())
}

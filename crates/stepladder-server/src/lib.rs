//! Serves trained classifiers over HTTP: predictions and heat maps for photos, metrics, an OpenAPI document, and a page to
//! try them in a browser.
//!
//! [`Server::bind`] takes loaded [`Models`] and a [`ServerConfig`]; [`Server::serve`] answers until it is told to stop, and then
//! finishes what it has begun. Photos of all requests meet in one bounded queue and go through the network in batches of
//! whatever is waiting, so that a lone request waits for nobody and many share the work.
//!
//! Every request is taken to be hostile: bodies, pixels, photos, time and connections are bounded, and what does not fit is
//! refused with a 4xx that says why. By default the server listens on the loopback interface, believes no `Host` but its
//! own, and answers no page of another origin.

mod answer;
mod bodies;
mod config;
mod guard;
mod metrics;
mod models;
mod page;
mod queue;
mod request;
mod routes;
mod server;

pub use config::ServerConfig;
pub use models::{ModelInfo, Models, ModelsError};
pub use server::{Notice, Server, ServerError};

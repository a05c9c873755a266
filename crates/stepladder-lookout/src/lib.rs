//! A live page on trainings: curves that follow a run, a list of runs to lay over each other, and buttons that ask a training for a
//! checkpoint or to stop.
//!
//! [`Lookout::bind`] listens, and [`Lookout::serve`] answers until it is told to stop. A thread looks at the run directories a few times
//! a second and publishes what changed (`board`); each open page gets it as server-sent events (`events`), drawn for the runs that
//! it shows (`view`).
//!
//! Run directories are only read, but for `request.json`, which asks a training for something, and for which the page needs the token.
//! They may come from anywhere: what is read of each is bounded, only files are opened, and every text is escaped.

mod board;
mod charts;
mod events;
mod follow;
mod guard;
mod numbers;
mod pace;
mod page;
mod plot;
mod routes;
mod run;
mod search;
mod server;
mod state;
mod token;
mod view;

pub use server::{Lookout, LookoutConfig, LookoutError};
pub use state::State;
pub use token::new_token;

//! The command line of Stepladder: `main` maps an outcome to an exit code, `run` picks the command. What a user typed is in
//! [`arguments`]; what each command does is in [`commands`]; how it looks is in [`terminal`].

mod arguments;
mod commands;
mod plot;
mod signals;
mod span;
mod terminal;

use arguments::{Arguments, Command};
use clap::Parser;
use std::process::ExitCode;
use terminal::{Output, error, finish, show_usage};

/// Stopped by Ctrl-C, as shells have it: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

/// How a command that did not fail ended.
pub(crate) enum Ending {
    /// Everything that was asked for is done.
    Done,
    /// Some of it could not be, and has been named.
    Incomplete,
    /// The user stopped it.
    Interrupted,
}

fn main() -> ExitCode {
    stepladder_kernels::return_large_allocations();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(usage) => return ExitCode::from(show_usage(&usage)),
    };
    let output = Output::new(arguments.json);
    match finish(run(arguments, &output), Ending::Done) {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Incomplete) => ExitCode::FAILURE,
        Ok(Ending::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(failure) => {
            error(&failure);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments, output: &Output) -> anyhow::Result<Ending> {
    match arguments.command {
        Command::Inspect(arguments) => commands::inspect(arguments, output),
        Command::Train(arguments) => commands::train(arguments, output),
        Command::Resume(arguments) => commands::resume(arguments, output),
        Command::Report(arguments) => commands::report(arguments, output),
        Command::Plan(arguments) => commands::plan(arguments, output),
        Command::FindLr(arguments) => commands::find_lr(arguments, output),
        Command::Evaluate(arguments) => commands::evaluate(arguments, output),
        Command::Predict(arguments) => commands::predict(arguments, output),
        Command::Embed(arguments) => commands::embed(arguments, output),
        Command::Explain(arguments) => commands::explain(arguments, output),
        Command::Export(arguments) => commands::export(arguments, output),
        Command::Serve(arguments) => commands::serve(arguments, output),
        Command::Watch(arguments) => commands::watch(arguments, output),
        Command::Climb(arguments) => commands::climb(arguments, output),
        Command::Runs(arguments) => commands::runs(arguments, output),
        Command::Compare(arguments) => commands::compare(arguments, output),
        Command::Models(arguments) => commands::models(arguments, output),
        Command::Bench(arguments) => commands::bench(arguments, output),
    }
}

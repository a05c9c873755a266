//! The arguments of `stepladder compare`.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// Run directories; the first is what the others are compared with
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    pub runs: Vec<PathBuf>,

    /// Print the table of runs as CSV
    #[arg(long, conflicts_with_all = ["json", "markdown"])]
    pub csv: bool,

    /// Print all tables in Markdown
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,

    /// Write a page with the tables and the curves over each other, too; an older one is replaced
    #[arg(long, value_name = "PAGE.html")]
    pub html: Option<PathBuf>,
}

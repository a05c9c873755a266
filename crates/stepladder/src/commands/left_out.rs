//! What a build without some of the program's features says in their place, and how to have them.

#[cfg(not(feature = "pages"))]
use crate::arguments::ReportArguments;
#[cfg(not(feature = "serve"))]
use crate::arguments::ServeArguments;
#[cfg(not(feature = "watch"))]
use crate::arguments::WatchArguments;
#[cfg(not(all(feature = "pages", feature = "serve", feature = "watch")))]
use crate::{Ending, terminal::Output};

/// `what`, a command or an option, needs a build with `feature`.
pub(crate) fn left_out(what: &str, feature: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "{what} is not in this build of Stepladder; build it again with --features {feature}, or without --no-default-features"
    )
}

#[cfg(not(feature = "pages"))]
pub(crate) fn report(_: ReportArguments, _: &Output) -> anyhow::Result<Ending> {
    Err(left_out("report", "pages"))
}

#[cfg(not(feature = "serve"))]
pub(crate) fn serve(_: ServeArguments, _: &Output) -> anyhow::Result<Ending> {
    Err(left_out("serve", "serve"))
}

#[cfg(not(feature = "watch"))]
pub(crate) fn watch(_: WatchArguments, _: &Output) -> anyhow::Result<Ending> {
    Err(left_out("watch", "watch"))
}

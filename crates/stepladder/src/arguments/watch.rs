//! The arguments of `stepladder watch`.

use clap::Args;
use std::net::IpAddr;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[cfg_attr(not(feature = "watch"), allow(dead_code))]
pub(crate) struct WatchArguments {
    /// Run directories, climbs, or folders that hold them [default: runs and climbs in this folder]
    #[arg(value_name = "RUNS")]
    pub runs: Vec<PathBuf>,

    /// The port; 0 takes a free one
    #[arg(long, default_value_t = 8090)]
    pub port: u16,

    /// The address to listen on; 0.0.0.0 is every interface of this machine
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: IpAddr,

    /// What the page must send to checkpoint or stop a training, and, with another --host, to see anything [default: STEPLADDER_TOKEN, if
    /// set, else a new one each time]
    #[arg(long)]
    pub token: Option<String>,
}

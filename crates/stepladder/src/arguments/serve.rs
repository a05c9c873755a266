//! The arguments of `stepladder serve`.

use clap::Args;
use std::net::IpAddr;
use std::path::PathBuf;
use stepladder_nn::Device;

#[derive(Debug, Args)]
#[cfg_attr(not(feature = "serve"), allow(dead_code))]
pub(crate) struct ServeArguments {
    /// Run directories, or model.safetensors files; the first answers where a request names none
    #[arg(required = true, value_name = "MODEL")]
    pub models: Vec<PathBuf>,

    /// The port; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    pub port: u16,

    /// The address to listen on; 0.0.0.0 is every interface of this machine
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: IpAddr,

    /// What clients must send as Authorization: Bearer [default: STEPLADDER_TOKEN, if set]
    #[arg(long)]
    pub token: Option<String>,

    /// An origin whose pages may ask, e.g. https://example.org; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    pub cors: Vec<String>,

    /// The most photos that go through the network at once
    #[arg(long, default_value_t = 32)]
    pub batch: usize,

    /// The most photos that are computed or waiting; further requests get a 429
    #[arg(long, default_value_t = 256)]
    pub queue: usize,

    /// The largest body of a request, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 32)]
    pub max_body: usize,

    /// The most pixels of a photo, in millions
    #[arg(long, value_name = "MEGAPIXELS", default_value_t = 50)]
    pub max_pixels: usize,

    /// Threads that decode and compute [default: one for each core]
    #[arg(long)]
    pub threads: Option<usize>,

    /// Where to compute: cpu, cuda, cuda:1, vulkan or metal
    #[arg(long, default_value = "cpu")]
    pub device: Device,
}

//! The everyday controls of `train`: each sets values of the rung, in the words that people reach for.

use clap::{Args, ValueEnum};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// How a training goes, beside what its rung says.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Course of the training")]
pub(crate) struct ControlArguments {
    /// Time for the training, e.g. 20m or 1h30m: the schedule ends when it does, whatever the rung's epochs
    #[arg(long, value_name = "TIME", conflicts_with = "epochs", value_parser = crate::span::parse)]
    pub budget: Option<Duration>,

    /// Steps in all, instead of epochs or a time; of find-lr, those of its test, 200 by default
    #[arg(hide_short_help = true, long, value_name = "STEPS", conflicts_with_all = ["epochs", "budget"])]
    pub steps: Option<NonZeroU64>,

    /// Epochs without improvement after which training ends, or off [default: the rung's]
    #[arg(hide_short_help = true, long, value_name = "EPOCHS")]
    pub patience: Option<Patience>,

    /// Course of the learning rate [default: the rung's]
    #[arg(hide_short_help = true, long, value_enum)]
    pub schedule: Option<Course>,

    /// Epochs of linear rise at the start of the cosine schedule
    #[arg(
        hide_short_help = true,
        long,
        value_name = "EPOCHS",
        allow_negative_numbers = true
    )]
    pub warmup: Option<f32>,

    /// Decoupled weight decay [default: the rung's]
    #[arg(
        hide_short_help = true,
        long,
        value_name = "DECAY",
        allow_negative_numbers = true
    )]
    pub weight_decay: Option<f32>,

    /// Bound on the common norm of all gradients
    #[arg(
        hide_short_help = true,
        long,
        value_name = "NORM",
        allow_negative_numbers = true
    )]
    pub clip_norm: Option<f32>,

    /// Share of the target spread over all classes
    #[arg(
        hide_short_help = true,
        long,
        value_name = "SHARE",
        allow_negative_numbers = true
    )]
    pub label_smoothing: Option<f32>,

    /// Evaluate and keep a moving average of the weights, with this momentum, e.g. 0.999
    #[arg(
        hide_short_help = true,
        long,
        value_name = "MOMENTUM",
        allow_negative_numbers = true
    )]
    pub ema: Option<f32>,

    /// Blend photos in pairs, by shares from Beta(ALPHA, ALPHA), e.g. 0.2
    #[arg(
        hide_short_help = true,
        long,
        value_name = "ALPHA",
        allow_negative_numbers = true
    )]
    pub mixup: Option<f32>,

    /// Put a rectangle of one photo into another, its area from Beta(ALPHA, ALPHA), e.g. 1
    #[arg(
        hide_short_help = true,
        long,
        value_name = "ALPHA",
        allow_negative_numbers = true
    )]
    pub cutmix: Option<f32>,

    /// What each class counts: balanced, none, numbers in the order of the classes (2,1,1), names (daisy=2,roses=1), or a
    /// CSV or TSV file with the columns class and weight
    #[arg(hide_short_help = true, long, value_name = "WEIGHTS")]
    pub class_weights: Option<String>,

    /// Evaluate with the moving averages of batch normalization even after few steps, when they lag behind the weights, as Keras does
    #[arg(hide_short_help = true, long)]
    pub moving_statistics: bool,

    /// What to do where the network learns nothing
    #[arg(hide_short_help = true, long, value_enum, default_value_t = OnStuck::Warn)]
    pub on_stuck: OnStuck,

    /// Memory that training may take, in GiB; a larger batch is trained in pieces [default: what is left]
    #[arg(
        hide_short_help = true,
        long,
        value_name = "GIB",
        allow_negative_numbers = true
    )]
    pub memory: Option<f64>,
}

/// A number of epochs, or as many as help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Epochs {
    /// Until neither a lower rate nor patience helps any more.
    Auto,
    /// At most so many.
    AtMost(usize),
}

impl FromStr for Epochs {
    type Err = String;

    fn from_str(text: &str) -> Result<Epochs, String> {
        match (text, text.parse()) {
            ("auto", _) => Ok(Epochs::Auto),
            (_, Ok(epochs)) => Ok(Epochs::AtMost(epochs)),
            _ => Err("write a number of epochs, or auto".to_string()),
        }
    }
}

/// How long training goes on without improvement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// To the last epoch.
    Off,
    /// So many epochs.
    Epochs(usize),
}

impl FromStr for Patience {
    type Err = String;

    fn from_str(text: &str) -> Result<Patience, String> {
        match (text, text.parse()) {
            ("off", _) => Ok(Patience::Off),
            (_, Ok(epochs)) => Ok(Patience::Epochs(epochs)),
            _ => Err("write a number of epochs, or off".to_string()),
        }
    }
}

/// A course of the learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Course {
    /// The same rate throughout
    Constant,
    /// Half a cosine down to 0
    Cosine,
    /// Up and down, once
    OneCycle,
}

impl Course {
    /// The name in a rung.
    pub fn name(self) -> &'static str {
        match self {
            Course::Constant => "constant",
            Course::Cosine => "cosine",
            Course::OneCycle => "one_cycle",
        }
    }
}

/// What happens to a training that is stuck at chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnStuck {
    /// Say so and go on
    Warn,
    /// Say so and end
    Stop,
    /// Begin again with other initial weights, three times at most
    Reseed,
}

impl From<OnStuck> for stepladder_train::OnStuck {
    fn from(on_stuck: OnStuck) -> stepladder_train::OnStuck {
        match on_stuck {
            OnStuck::Warn => stepladder_train::OnStuck::Warn,
            OnStuck::Stop => stepladder_train::OnStuck::Stop,
            OnStuck::Reseed => stepladder_train::OnStuck::Reseed,
        }
    }
}

/// Where class weights come from, if they are in a file.
pub(crate) fn weights_file(text: &str) -> Option<PathBuf> {
    let path = PathBuf::from(text);
    path.is_file().then_some(path)
}

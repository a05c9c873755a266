//! How a parameter gets its first values, and the fans that the random ones scale with. Only names and numbers: the
//! drawing is the business of the crate that owns the tensors.

/// An initializer of Keras, by what it does to a parameter with the given fans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initializer {
    /// Uniform in plus or minus `sqrt(6 / (fan_in + fan_out))`.
    GlorotUniform,
    /// Normal truncated at two deviations, with variance `2 / (fan_in + fan_out)` after the truncation.
    GlorotNormal,
    /// Uniform in plus or minus `sqrt(6 / fan_in)`.
    HeUniform,
    /// Normal truncated at two deviations, with variance `2 / fan_in` after the truncation.
    HeNormal,
    /// Uniform in plus or minus `sqrt(3 / fan_in)`.
    LecunUniform,
    /// Normal truncated at two deviations, with variance `1 / fan_in` after the truncation.
    LecunNormal,
    /// All zeros.
    Zeros,
    /// All ones.
    Ones,
    /// All the same.
    Constant(f32),
}

/// How many inputs the initializer of a depthwise kernel is told that an output has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DepthwiseFanIn {
    /// The kernel's area times all channels, as Keras counts, by which a kernel on C channels starts sqrt(C) times too
    /// small.
    #[default]
    AllChannels,
    /// The kernel's area: what an output of a depthwise convolution truly sees.
    PerChannel,
}

impl DepthwiseFanIn {
    pub(crate) const NAMES: &[(&str, DepthwiseFanIn)] = &[
        ("all_channels", DepthwiseFanIn::AllChannels),
        ("per_channel", DepthwiseFanIn::PerChannel),
    ];

    /// The name in a rung.
    pub fn name(&self) -> &'static str {
        match self {
            DepthwiseFanIn::AllChannels => "all_channels",
            DepthwiseFanIn::PerChannel => "per_channel",
        }
    }
}

impl Initializer {
    /// What a rung names by a word alone. A constant needs its value beside it.
    pub(crate) const NAMES: &[(&str, Initializer)] = &[
        ("glorot_uniform", Initializer::GlorotUniform),
        ("glorot_normal", Initializer::GlorotNormal),
        ("he_uniform", Initializer::HeUniform),
        ("he_normal", Initializer::HeNormal),
        ("lecun_uniform", Initializer::LecunUniform),
        ("lecun_normal", Initializer::LecunNormal),
        ("zeros", Initializer::Zeros),
        ("ones", Initializer::Ones),
    ];

    /// Keras' name of the initializer.
    pub fn name(&self) -> &'static str {
        match self {
            Initializer::GlorotUniform => "glorot_uniform",
            Initializer::GlorotNormal => "glorot_normal",
            Initializer::HeUniform => "he_uniform",
            Initializer::HeNormal => "he_normal",
            Initializer::LecunUniform => "lecun_uniform",
            Initializer::LecunNormal => "lecun_normal",
            Initializer::Zeros => "zeros",
            Initializer::Ones => "ones",
            Initializer::Constant(_) => "constant",
        }
    }
}

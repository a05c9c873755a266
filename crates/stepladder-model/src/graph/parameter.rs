//! Parameters before they have values: their names, shapes, initializers and fans.

use serde::Serialize;

use crate::initializer::{DepthwiseFanIn, Initializer};

/// A parameter before it has values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParameterSpec {
    /// The layer's name and Keras' name of the weight: `conv2d_1/kernel`.
    pub name: String,
    /// Keras' layout: convolution (height, width, in / groups, out), depthwise (height, width, in, multiplier), dense
    /// (in, out), all others (channels).
    pub shape: Vec<usize>,
    /// How it gets its first values.
    #[serde(serialize_with = "initializer_name")]
    pub initializer: Initializer,
    /// As Keras' `compute_fans` has it, which for a depthwise kernel is too large by the number of channels unless the
    /// layer has [`DepthwiseFanIn::PerChannel`].
    pub fan_in: usize,
    /// As Keras' `compute_fans` has it.
    pub fan_out: usize,
    /// False for the moving mean and variance of batch normalization, and for what is [frozen](super::Graph::freeze).
    pub trainable: bool,
}

fn initializer_name<S: serde::Serializer>(
    initializer: &Initializer,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(initializer.name())
}

impl ParameterSpec {
    /// A trainable parameter with Keras' fans.
    pub(super) fn new(name: String, shape: Vec<usize>, initializer: Initializer) -> ParameterSpec {
        let (fan_in, fan_out) = fans(&shape);
        ParameterSpec {
            name,
            shape,
            initializer,
            fan_in,
            fan_out,
            trainable: true,
        }
    }

    /// The kernel of a depthwise convolution, (height, width, channels, multiplier).
    pub(super) fn depthwise(
        name: String,
        shape: [usize; 4],
        initializer: Initializer,
        fan_in: DepthwiseFanIn,
    ) -> ParameterSpec {
        let area = shape[0].saturating_mul(shape[1]);
        let keras = ParameterSpec::new(name, shape.to_vec(), initializer);
        match fan_in {
            DepthwiseFanIn::AllChannels => keras,
            DepthwiseFanIn::PerChannel => ParameterSpec {
                fan_in: area,
                ..keras
            },
        }
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.shape.iter().map(|&side| side as u64).product()
    }
}

/// Keras' `compute_fans` (`initializers/random_initializers.py`): the last two axes are taken as channels in and out
/// and the rest as the receptive field, also for a depthwise kernel (height, width, in, multiplier), whose fan-in is
/// thereby larger than what a neuron truly sees, by the number of channels.
fn fans(shape: &[usize]) -> (usize, usize) {
    match shape {
        [] => (1, 1),
        [size] => (*size, *size),
        [receptive @ .., channels, outputs] => {
            let field = receptive
                .iter()
                .fold(1usize, |field, &side| field.saturating_mul(side));
            (field.saturating_mul(*channels), field.saturating_mul(*outputs))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fans_are_those_of_keras() {
        assert_eq!(fans(&[7]), (7, 7));
        assert_eq!(fans(&[128, 10]), (128, 10));
        assert_eq!(fans(&[3, 5, 32, 64]), (480, 960));
        // Depthwise 3 x 3 on 64 channels: a neuron sees 9 values, and Keras says 576.
        assert_eq!(fans(&[3, 3, 64, 1]), (576, 9));
    }
}

//! Layers that shift and scale by channel: batch and layer normalization, LayerScale, and the fixed normalization.

use super::lower::{Input, Lowering};
use super::{GraphError, Op, ParameterId, ParameterSpec, Source};
use crate::initializer::Initializer;
use crate::layer::{BatchNormalization, LayerNormalization, Normalization, Scale};

/// Most channels that fixed statistics are written out for. A flattened photo may have more, and one number each would then
/// take gigabytes.
const CHANNELS_LIMIT: usize = 1 << 20;

impl Lowering<'_> {
    pub(super) fn batch_normalization(
        &mut self,
        layer: &BatchNormalization,
        input: &Input,
    ) -> Result<Source, GraphError> {
        let gamma = layer.scale.then_some(layer.gamma_initializer);
        let (gamma, beta) = self.gamma_and_beta(gamma, layer.center, input)?;
        let moving = |this: &mut Self, weight: &str, initializer| {
            let fixed = ParameterSpec {
                trainable: false,
                ..this.of_channels(weight, initializer, input)
            };
            this.parameter(fixed)
        };
        let op = Op::BatchNormalization {
            gamma,
            beta,
            moving_mean: moving(self, "moving_mean", Initializer::Zeros)?,
            moving_variance: moving(self, "moving_variance", Initializer::Ones)?,
            momentum: layer.momentum,
            epsilon: layer.epsilon,
        };
        self.same_shape(op, input)
    }

    pub(super) fn layer_normalization(
        &mut self,
        layer: &LayerNormalization,
        input: &Input,
    ) -> Result<Source, GraphError> {
        let gamma = layer.scale.then_some(Initializer::Ones);
        let (gamma, beta) = self.gamma_and_beta(gamma, layer.center, input)?;
        let op = Op::LayerNormalization {
            gamma,
            beta,
            epsilon: layer.epsilon,
        };
        self.same_shape(op, input)
    }

    pub(super) fn scale(&mut self, layer: &Scale, input: &Input) -> Result<Source, GraphError> {
        let gamma = self.of_channels("gamma", Initializer::Constant(layer.initial_value), input);
        let gamma = self.parameter(gamma)?;
        self.same_shape(Op::Scale { gamma }, input)
    }

    pub(super) fn normalization(
        &mut self,
        layer: &Normalization,
        input: &Input,
    ) -> Result<Source, GraphError> {
        let channels = input.shape.channels();
        if channels > CHANNELS_LIMIT {
            return Err(self.too_large(format!("statistics of more than {CHANNELS_LIMIT} channels")));
        }
        let by_channel = |values: &[f32], key| match values {
            &[one] => Ok(vec![one; channels]),
            values if values.len() == channels => Ok(values.to_vec()),
            values => Err(GraphError::StatisticsCount {
                place: self.place.clone(),
                layer: self.kind,
                key,
                count: values.len(),
                channels,
            }),
        };
        let op = Op::Normalization {
            mean: by_channel(&layer.mean, "mean")?,
            variance: by_channel(&layer.variance, "variance")?,
        };
        self.same_shape(op, input)
    }

    fn gamma_and_beta(
        &mut self,
        gamma: Option<Initializer>,
        center: bool,
        input: &Input,
    ) -> Result<(Option<ParameterId>, Option<ParameterId>), GraphError> {
        let gamma = gamma.map(|initializer| self.parameter(self.of_channels("gamma", initializer, input)));
        let gamma = gamma.transpose()?;
        let beta = center.then(|| self.parameter(self.of_channels("beta", Initializer::Zeros, input)));
        Ok((gamma, beta.transpose()?))
    }

    /// A parameter with one value for each channel of the input.
    fn of_channels(&self, weight: &str, initializer: Initializer, input: &Input) -> ParameterSpec {
        let name = self.parameter_name(weight);
        ParameterSpec::new(name, vec![input.shape.channels()], initializer)
    }
}

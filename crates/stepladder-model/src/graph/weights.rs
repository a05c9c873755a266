//! Layers with a kernel: convolutions and dense layers, their parameters and their cost.

use super::lower::{Input, Lowering};
use super::window::Sliding;
use super::{GraphError, Op, ParameterId, ParameterSpec, Shape, Source, Window, cost};
use crate::activation::Activation;
use crate::initializer::{DepthwiseFanIn, Initializer};
use crate::layer::{Conv2D, Dense, DepthwiseConv2D, SeparableConv2D, Units};

/// What a depthwise kernel is made of, alone or in a separable convolution.
struct Depthwise {
    multiplier: usize,
    initializer: Initializer,
    fan_in: DepthwiseFanIn,
    /// Keras' name of the kernel.
    name: &'static str,
}

impl Lowering<'_> {
    pub(super) fn convolution(&mut self, conv: &Conv2D, input: &Input) -> Result<Source, GraphError> {
        let sliding = Sliding::kernel(conv.kernel_size, conv.strides, conv.padding);
        let (window, sides) = self.place_window(input.shape, &sliding)?;
        let filters = self.positive(conv.filters, "filters")?;
        let groups = self.groups(conv.groups, input.shape.channels(), filters)?;
        let output = self.map_of(sides, filters)?;
        let [height, width] = window.size;
        let shape = [height, width, input.shape.channels() / groups, filters];
        let kernel = self.kernel("kernel", &shape, conv.kernel_initializer)?;
        let bias = self.bias(conv.use_bias, filters, conv.bias_initializer)?;
        let op = Op::Convolution {
            window,
            groups,
            kernel,
            bias,
        };
        self.weighted(op, input, output, &shape, conv.activation)
    }

    pub(super) fn depthwise(&mut self, conv: &DepthwiseConv2D, input: &Input) -> Result<Source, GraphError> {
        let sliding = Sliding::kernel(conv.kernel_size, conv.strides, conv.padding);
        let depthwise = Depthwise {
            multiplier: conv.depth_multiplier,
            initializer: conv.depthwise_initializer,
            fan_in: conv.depthwise_fan_in,
            name: "kernel",
        };
        let (window, output, kernel) = self.depthwise_kernel(&sliding, &depthwise, input)?;
        let bias = self.bias(conv.use_bias, output.channels(), conv.bias_initializer)?;
        self.depthwise_operation(window, &depthwise, kernel, bias, input, output, conv.activation)
    }

    /// Two operations: the depthwise one, and the pointwise one with the bias.
    pub(super) fn separable(&mut self, conv: &SeparableConv2D, input: &Input) -> Result<Source, GraphError> {
        let sliding = Sliding::kernel(conv.kernel_size, conv.strides, conv.padding);
        let depthwise = Depthwise {
            multiplier: conv.depth_multiplier,
            initializer: conv.depthwise_initializer,
            fan_in: conv.depthwise_fan_in,
            name: "depthwise_kernel",
        };
        let (window, middle, kernel) = self.depthwise_kernel(&sliding, &depthwise, input)?;
        let filters = self.positive(conv.filters, "filters")?;
        let none = Activation::Linear;
        let source = self.depthwise_operation(window, &depthwise, kernel, None, input, middle, none)?;
        let between = Input {
            source,
            shape: middle,
            name: input.name.clone(),
        };
        let output = middle.with_channels(filters);
        self.check_size(output)?;
        let shape = [1, 1, middle.channels(), filters];
        let kernel = self.kernel("pointwise_kernel", &shape, conv.pointwise_initializer)?;
        let bias = self.bias(conv.use_bias, filters, conv.bias_initializer)?;
        let op = Op::Convolution {
            window: Window {
                size: [1, 1],
                strides: [1, 1],
                padding: [[0, 0]; 2],
            },
            groups: 1,
            kernel,
            bias,
        };
        self.weighted(op, &between, output, &shape, conv.activation)
    }

    pub(super) fn dense(&mut self, dense: &Dense, input: &Input) -> Result<Source, GraphError> {
        let Shape::Vector { units: from } = input.shape else {
            return Err(GraphError::NeedsVector {
                place: self.place.clone(),
                layer: self.kind,
                shape: input.shape,
            });
        };
        let units = match dense.units {
            Units::Count(units) => self.positive(units, "units")?,
            Units::Classes => self.graph.classes,
        };
        let output = Shape::Vector { units };
        self.check_size(output)?;
        let shape = [from, units];
        let kernel = self.kernel("kernel", &shape, dense.kernel_initializer)?;
        let bias = self.bias(dense.use_bias, units, dense.bias_initializer)?;
        self.weighted(
            Op::Dense { kernel, bias },
            input,
            output,
            &shape,
            dense.activation,
        )
    }

    /// The window, output and kernel of a depthwise convolution.
    fn depthwise_kernel(
        &mut self,
        sliding: &Sliding,
        depthwise: &Depthwise,
        input: &Input,
    ) -> Result<(Window, Shape, ParameterId), GraphError> {
        let (window, sides) = self.place_window(input.shape, sliding)?;
        let multiplier = self.positive(depthwise.multiplier, "depth_multiplier")?;
        let from = input.shape.channels();
        let channels = from.checked_mul(multiplier);
        let channels = channels.ok_or_else(|| self.too_large("too many channels".to_owned()))?;
        let output = self.map_of(sides, channels)?;
        let [height, width] = window.size;
        let kernel = self.parameter(ParameterSpec::depthwise(
            self.parameter_name(depthwise.name),
            [height, width, from, multiplier],
            depthwise.initializer,
            depthwise.fan_in,
        ))?;
        Ok((window, output, kernel))
    }

    #[expect(clippy::too_many_arguments, reason = "each is a part of one operation")]
    fn depthwise_operation(
        &mut self,
        window: Window,
        depthwise: &Depthwise,
        kernel: ParameterId,
        bias: Option<ParameterId>,
        input: &Input,
        output: Shape,
        activation: Activation,
    ) -> Result<Source, GraphError> {
        let multiplier = depthwise.multiplier;
        let [height, width] = window.size;
        let shape = [height, width, input.shape.channels(), multiplier];
        let op = Op::DepthwiseConvolution {
            window,
            multiplier,
            kernel,
            bias,
        };
        self.weighted(op, input, output, &shape, activation)
    }

    /// An operation with a kernel of this shape, all of which is used once for each pixel of the output, and the layer's own
    /// activation behind it.
    fn weighted(
        &mut self,
        op: Op,
        input: &Input,
        output: Shape,
        kernel: &[usize],
        activation: Activation,
    ) -> Result<Source, GraphError> {
        let pixels = output.sides().unwrap_or([1, 1]);
        let multiply_adds = cost::product(kernel)
            .zip(cost::product(&pixels))
            .and_then(|(kernel, pixels)| kernel.checked_mul(pixels));
        let multiply_adds = multiply_adds
            .ok_or_else(|| self.too_large("more multiplications than can be counted".to_owned()))?;
        let source = self.push(op, vec![input.source], output, multiply_adds)?;
        let input = Input {
            source,
            shape: output,
            name: input.name.clone(),
        };
        self.activation(activation, &input)
    }

    fn kernel(
        &mut self,
        weight: &str,
        shape: &[usize],
        initializer: Initializer,
    ) -> Result<ParameterId, GraphError> {
        let name = self.parameter_name(weight);
        self.parameter(ParameterSpec::new(name, shape.to_vec(), initializer))
    }

    fn bias(
        &mut self,
        has_bias: bool,
        channels: usize,
        initializer: Initializer,
    ) -> Result<Option<ParameterId>, GraphError> {
        let name = self.parameter_name("bias");
        has_bias
            .then(|| self.parameter(ParameterSpec::new(name, vec![channels], initializer)))
            .transpose()
    }

    fn map_of(&self, [height, width]: [usize; 2], channels: usize) -> Result<Shape, GraphError> {
        let output = Shape::Map {
            height,
            width,
            channels,
        };
        self.check_size(output)?;
        Ok(output)
    }

    /// Refuses groups that would leave channels or filters over.
    fn groups(&self, groups: usize, channels: usize, filters: usize) -> Result<usize, GraphError> {
        let groups = self.positive(groups, "groups")?;
        let counts = [(channels, "channels of its input"), (filters, "filters")];
        match counts.into_iter().find(|(count, _)| count % groups != 0) {
            None => Ok(groups),
            Some((count, of)) => {
                let most = channels.min(filters).min(groups);
                let divides =
                    |groups: &usize| channels.is_multiple_of(*groups) && filters.is_multiple_of(*groups);
                let nearest = (1..=most).rev().find(divides).unwrap_or(1);
                Err(GraphError::Groups {
                    place: self.place.clone(),
                    layer: self.kind,
                    groups,
                    count,
                    of,
                    remedy: match nearest {
                        1 => format!("leave `groups` out, or use multiples of {groups}"),
                        nearest => format!("write groups = {nearest}, or use multiples of {groups}"),
                    },
                })
            }
        }
    }
}

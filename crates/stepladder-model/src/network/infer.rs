//! Shape inference: what each layer makes of the shapes of its inputs, or why it cannot.

use super::shape::window_positions;
use super::{NetworkError, Shape, cost};
use crate::layer::{Layer, Padding, Units};
use crate::place::Place;

/// A layer whose output is to be worked out.
pub(super) struct Inference<'a> {
    pub(super) place: &'a Place,
    pub(super) layer: &'a Layer,
    /// Side of the network's input, for errors that a larger one would cure.
    pub(super) size: usize,
    pub(super) classes: usize,
}

/// A sliding window, and what its size is called.
struct Window {
    sides: [usize; 2],
    strides: [usize; 2],
    padding: Padding,
    key: &'static str,
}

impl Inference<'_> {
    /// Output shape from the input shapes, each with what errors call it. There is at least one.
    pub(super) fn output(&self, inputs: &[(Shape, String)]) -> Result<Shape, NetworkError> {
        let output = match (self.layer, inputs) {
            (layer, _) if layer.is_augmentation() => {
                return Err(NetworkError::AugmentationNotAtHead {
                    place: self.place(),
                    layer: layer.kind(),
                });
            }
            (Layer::Add, [first, second, rest @ ..]) => self.sum(first, second, rest)?,
            (Layer::Add, _) => return Err(NetworkError::TooFewInputs { place: self.place() }),
            (_, [(input, _)]) => self.output_of_one(*input)?,
            (layer, _) => {
                return Err(NetworkError::TooManyInputs {
                    place: self.place(),
                    layer: layer.kind(),
                    count: inputs.len(),
                });
            }
        };
        // Later layers multiply these sides, so that none may be too large for the products.
        match output.checked_count() {
            Some(count) if count <= cost::LIMIT => Ok(output),
            _ => Err(self.too_large(format!("an output of more than {} values per photo", cost::LIMIT))),
        }
    }

    fn output_of_one(&self, input: Shape) -> Result<Shape, NetworkError> {
        match self.layer {
            Layer::Conv2D(conv) => {
                let window = Window::kernel(conv.kernel_size, conv.strides, conv.padding);
                self.slide(input, &window, self.positive(conv.filters, "filters")?)
            }
            Layer::SeparableConv2D(conv) => {
                self.multiplied(input, conv.depth_multiplier)?;
                let window = Window::kernel(conv.kernel_size, conv.strides, conv.padding);
                self.slide(input, &window, self.positive(conv.filters, "filters")?)
            }
            Layer::DepthwiseConv2D(conv) => {
                let window = Window::kernel(conv.kernel_size, conv.strides, conv.padding);
                self.slide(input, &window, self.multiplied(input, conv.depth_multiplier)?)
            }
            Layer::MaxPooling2D(pooling) | Layer::AveragePooling2D(pooling) => {
                let (sides, strides, padding) = (pooling.pool_size, pooling.strides, pooling.padding);
                let window = Window {
                    sides,
                    strides,
                    padding,
                    key: "pool_size",
                };
                self.slide(input, &window, input.channels())
            }
            Layer::GlobalAveragePooling2D => {
                self.map(input)?;
                Ok(Shape::Vector {
                    units: input.channels(),
                })
            }
            Layer::Flatten => {
                let units = usize::try_from(input.count());
                Ok(Shape::Vector {
                    units: units.map_err(|_| self.too_large("a vector too long".to_owned()))?,
                })
            }
            Layer::Dense(dense) => match (input, dense.units) {
                (Shape::Map { .. }, _) => {
                    let (place, layer) = (self.place(), self.layer.kind());
                    Err(NetworkError::NeedsVector {
                        place,
                        layer,
                        shape: input,
                    })
                }
                (_, Units::Count(units)) => Ok(Shape::Vector {
                    units: self.positive(units, "units")?,
                }),
                (_, Units::Classes) => Ok(Shape::Vector { units: self.classes }),
            },
            _ => Ok(input),
        }
    }

    fn sum(
        &self,
        first: &(Shape, String),
        second: &(Shape, String),
        rest: &[(Shape, String)],
    ) -> Result<Shape, NetworkError> {
        let (shape, name) = first;
        let Some((other, other_name)) = [second].into_iter().chain(rest).find(|(other, _)| other != shape)
        else {
            return Ok(*shape);
        };
        Err(NetworkError::AddShapes {
            place: self.place(),
            shapes: format!("{shape} from {name} and {other} from {other_name}"),
            remedy: remedy_of_sum(*shape, *other),
        })
    }

    fn slide(&self, input: Shape, window: &Window, channels: usize) -> Result<Shape, NetworkError> {
        let (rows, columns) = self.map(input)?;
        let Window {
            sides,
            strides,
            padding,
            key,
        } = *window;
        for side in sides {
            self.positive(side, key)?;
        }
        for stride in strides {
            self.positive(stride, "strides")?;
        }
        let height = window_positions(rows, sides[0], strides[0], padding);
        let width = window_positions(columns, sides[1], strides[1], padding);
        if height == 0 || width == 0 {
            return Err(NetworkError::WindowTooLarge {
                place: self.place(),
                layer: self.layer.kind(),
                key,
                height: sides[0],
                width: sides[1],
                shape: input,
                size: self.size,
            });
        }
        Ok(Shape::Map {
            height,
            width,
            channels,
        })
    }

    fn map(&self, input: Shape) -> Result<(usize, usize), NetworkError> {
        match input {
            Shape::Map { height, width, .. } => Ok((height, width)),
            Shape::Vector { units } => Err(NetworkError::NeedsMap {
                place: self.place(),
                layer: self.layer.kind(),
                units,
            }),
        }
    }

    fn multiplied(&self, input: Shape, multiplier: usize) -> Result<usize, NetworkError> {
        let multiplier = self.positive(multiplier, "depth_multiplier")?;
        let channels = input.channels().checked_mul(multiplier);
        channels.ok_or_else(|| self.too_large("too many channels".to_owned()))
    }

    /// Files have no zeros here; layers that were built in code may.
    fn positive(&self, value: usize, key: &'static str) -> Result<usize, NetworkError> {
        if value == 0 {
            return Err(NetworkError::Zero {
                place: self.place(),
                layer: self.layer.kind(),
                key,
            });
        }
        Ok(value)
    }

    pub(super) fn too_large(&self, what: String) -> NetworkError {
        NetworkError::TooLarge {
            place: self.place(),
            layer: self.layer.kind(),
            what,
        }
    }

    fn place(&self) -> Place {
        self.place.clone()
    }
}

impl Window {
    fn kernel(sides: [usize; 2], strides: [usize; 2], padding: Padding) -> Window {
        Window {
            sides,
            strides,
            padding,
            key: "kernel_size",
        }
    }
}

fn remedy_of_sum(first: Shape, other: Shape) -> String {
    match (first.sides(), other.sides()) {
        (Some(sides), Some(other_sides)) if sides == other_sides => {
            let filters = other.channels();
            format!(
                "bring the shortcut to the same channels with {{ layer = \"Conv2D\", filters = {filters}, kernel_size = 1 }}"
            )
        }
        (Some(_), Some(_)) => {
            "bring both to the same height and width with padding = \"same\" and the same strides and pooling"
                .to_owned()
        }
        _ => "give it inputs of one shape".to_owned(),
    }
}

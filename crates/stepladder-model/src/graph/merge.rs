//! Layers with several inputs: sum, product, and channels behind each other.

use super::lower::{Input, Lowering};
use super::{GraphError, Op, Shape, Source};

impl Lowering<'_> {
    /// The sum of inputs of one shape, as one operation.
    pub(super) fn add(&mut self, inputs: &[Input]) -> Result<Source, GraphError> {
        let (first, rest) = self.several(inputs)?;
        if let Some(other) = rest.iter().find(|other| other.shape != first.shape) {
            return Err(self.disagree(first, other, remedy_of_sum(first.shape, other.shape)));
        }
        self.push(Op::Add, sources(inputs), first.shape, 0)
    }

    /// The product of two inputs, as one operation; of more, one after the other.
    pub(super) fn multiply(&mut self, inputs: &[Input]) -> Result<Source, GraphError> {
        let (first, rest) = self.several(inputs)?;
        let (mut source, mut shape) = (first.source, first.shape);
        for other in rest {
            shape = broadcast(shape, other.shape)
                .ok_or_else(|| self.disagree(first, other, remedy_of_product(shape, other.shape)))?;
            source = self.push(Op::Multiply, vec![source, other.source], shape, 0)?;
        }
        Ok(source)
    }

    /// Channels behind each other, as one operation.
    pub(super) fn concatenate(&mut self, inputs: &[Input]) -> Result<Source, GraphError> {
        let (first, rest) = self.several(inputs)?;
        let sides = first.shape.sides();
        if let Some(other) = rest.iter().find(|other| other.shape.sides() != sides) {
            let remedy = match sides.zip(other.shape.sides()) {
                Some(_) => remedy_of_sides(first.shape, other.shape),
                None => "give it maps or vectors, and not both".to_owned(),
            };
            return Err(self.disagree(first, other, remedy));
        }
        let channels = inputs
            .iter()
            .fold(0usize, |sum, input| sum.saturating_add(input.shape.channels()));
        let output = first.shape.with_channels(channels);
        self.push(Op::Concatenate, sources(inputs), output, 0)
    }

    /// The first input, and at least one more.
    fn several<'i>(&self, inputs: &'i [Input]) -> Result<(&'i Input, &'i [Input]), GraphError> {
        match inputs {
            [first, rest @ ..] if !rest.is_empty() => Ok((first, rest)),
            _ => Err(GraphError::TooFewInputs {
                place: self.place.clone(),
                layer: self.kind,
            }),
        }
    }

    fn disagree(&self, first: &Input, other: &Input, remedy: String) -> GraphError {
        GraphError::InputShapes {
            place: self.place.clone(),
            layer: self.kind,
            shapes: format!(
                "{} from {} and {} from {}",
                first.shape, first.name, other.shape, other.name
            ),
            remedy,
        }
    }
}

fn sources(inputs: &[Input]) -> Vec<Source> {
    inputs.iter().map(|input| input.source).collect()
}

/// The shape of a product: that of both, or of the map where the other is one pixel with as many channels.
fn broadcast(first: Shape, other: Shape) -> Option<Shape> {
    let is_pixel = |shape: Shape| shape.sides() == Some([1, 1]);
    let are_maps = first.sides().is_some() && other.sides().is_some();
    if first == other {
        Some(first)
    } else if !are_maps || first.channels() != other.channels() {
        None
    } else if is_pixel(other) {
        Some(first)
    } else if is_pixel(first) {
        Some(other)
    } else {
        None
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
        _ => remedy_of_sides(first, other),
    }
}

fn remedy_of_product(first: Shape, other: Shape) -> String {
    match (first.sides(), other.sides()) {
        (Some(_), Some(_)) if first.channels() != other.channels() => {
            let filters = first.channels();
            format!(
                "bring both to the same channels with {{ layer = \"Conv2D\", filters = {filters}, kernel_size = 1 }}"
            )
        }
        (Some(_), None) | (None, Some(_)) => {
            "write keepdims = true in GlobalAveragePooling2D, so that its output is a map of 1 x 1".to_owned()
        }
        _ => remedy_of_sides(first, other),
    }
}

fn remedy_of_sides(first: Shape, other: Shape) -> String {
    match (first.sides(), other.sides()) {
        (Some(_), Some(_)) => {
            "bring both to the same height and width with padding = \"same\" and the same strides and pooling"
                .to_owned()
        }
        _ => "give it inputs of one shape".to_owned(),
    }
}

//! The head of a network that starts from pretrained weights: where it is, and what a model of one's own knows of its classes.

use super::source::Source;
use stepladder_model::{Graph, Op, Source as Value};
use stepladder_nn::Array;

/// The parameters of the head.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Names of kernel and bias.
    pub kernel: String,
    pub bias: String,
    /// Features that it reads.
    pub width: usize,
}

impl Place {
    /// The head of a graph: a dense layer with a bias, right before the softmax. An error says what is there instead.
    pub fn of(graph: &Graph) -> Result<Place, String> {
        let scores = match graph.logits() {
            Value::Operation(index) => Some(&graph.operations[index].op),
            Value::Image => None,
        };
        match scores {
            Some(Op::Dense {
                kernel,
                bias: Some(bias),
            }) => Ok(Place {
                kernel: graph.parameter(*kernel).name.clone(),
                bias: graph.parameter(*bias).name.clone(),
                width: graph.parameter(*kernel).shape[0],
            }),
            Some(Op::Dense { bias: None, .. }) => {
                Err("the head of the rung has no bias; give its last Dense one (use_bias = true)".to_string())
            }
            _ => Err(
                "the scores of the rung come from no Dense right before the softmax, so that there is no head to fit or to keep; \
                 set `exact_head = false` and `head = \"new\"` in [start], or end the rung in a Dense"
                    .to_string(),
            ),
        }
    }
}

/// Columns of a head by class name.
#[derive(Debug)]
pub(super) struct KeptHead {
    place: Place,
    /// `[width, known classes]`, and a bias for each.
    kernel: Vec<f32>,
    bias: Vec<f32>,
    /// For each class of the network, which of the known ones it is.
    columns: Vec<Option<usize>>,
}

impl KeptHead {
    /// What the source knows of `classes`.
    pub fn new(source: &Source, place: &Place, classes: &[String]) -> Result<KeptHead, String> {
        let Some(known) = &source.classes else {
            return Err(
                "it does not say its classes, so that none can be kept by name; set `head = \"new\"` in [start]".to_string(),
            );
        };
        let values = |name: &str, shape: &[usize]| match source.weights.tensors.get(name) {
            Some(tensor) if tensor.shape == shape => Ok(tensor.values.clone()),
            _ => Err(format!(
                "it has no head `{name}` of shape {shape:?}, so that no class can be kept; set `head = \"new\"` in [start]"
            )),
        };
        let position = |class: &String| known.iter().position(|other| other == class);
        Ok(KeptHead {
            kernel: values(&place.kernel, &[place.width, known.len()])?,
            bias: values(&place.bias, &[known.len()])?,
            columns: classes.iter().map(position).collect(),
            place: place.clone(),
        })
    }

    /// Those of `classes` that are kept.
    pub fn classes(&self, classes: &[String]) -> Vec<String> {
        let pairs = classes.iter().zip(&self.columns);
        pairs
            .filter(|(_, column)| column.is_some())
            .map(|(class, _)| class.clone())
            .collect()
    }

    /// Puts the columns into the head among `arrays`; classes that are not known stay as they are.
    pub fn apply(&self, arrays: &mut [Array]) {
        let (classes, known) = (self.columns.len(), self.bias.len());
        for array in arrays {
            let (from, rows) = match &array.name {
                name if *name == self.place.kernel => (&self.kernel, self.place.width),
                name if *name == self.place.bias => (&self.bias, 1),
                _ => continue,
            };
            for row in 0..rows {
                for (class, column) in self.columns.iter().enumerate() {
                    if let Some(column) = column {
                        array.values[row * classes + class] = from[row * known + column];
                    }
                }
            }
        }
    }
}

//! A graph made ready for inference: what only training does is taken out, and batch normalization is folded into the
//! weights before it.
//!
//! With moving statistics, `y = gamma (x - mean) / sqrt(variance + epsilon) + beta` is one factor and one offset for each
//! channel. Where x comes from a convolution or a dense layer that nothing else reads, its kernel and bias take them.

use super::{Graph, GraphLayer, Op, Operation, ParameterId, ParameterSpec, Source};
use crate::initializer::Initializer;

/// The graph for inference, and its parameters' values. `values` are those of `graph.parameters`, each row-major in its
/// shape, and so are those that come back of the new graph's.
///
/// Dropout and stochastic depth are gone, and so is every batch normalization whose input is a convolution, a depthwise
/// convolution or a dense layer that nothing else reads; a bias is added where there was none, under the name of the
/// layer that the kernel comes from. Factors are computed in f64. What the graph computes in inference stays the same but
/// for rounding.
///
/// # Panics
///
/// If the values are not those of the graph's parameters.
pub fn fold_batch_norm(graph: &Graph, values: Vec<Vec<f32>>) -> (Graph, Vec<Vec<f32>>) {
    assert_eq!(
        values.len(),
        graph.parameters.len(),
        "one list of values for each parameter"
    );
    for (parameter, values) in graph.parameters.iter().zip(&values) {
        assert_eq!(values.len() as u64, parameter.count(), "{}", parameter.name);
    }
    let graph = without_training(graph);
    let readers = graph.readers();
    let mut folding = Folding {
        parameters: graph.parameters.clone(),
        values,
        operations: Vec::with_capacity(graph.operations.len()),
    };
    // Where the output of each of `graph`'s operations is found among the new ones.
    let mut outputs: Vec<Source> = Vec::with_capacity(graph.operations.len());
    for operation in &graph.operations {
        if let &[Source::Operation(before)] = operation.inputs.as_slice()
            && readers[before] == 1
            && let Source::Operation(weights) = outputs[before]
            && let Some(affine) = folding.affine(&operation.op)
            && folding.fold(weights, &affine, &graph)
        {
            outputs.push(outputs[before]);
            continue;
        }
        outputs.push(Source::Operation(folding.operations.len()));
        folding.operations.push(rewired(operation, &outputs));
    }
    let layers = rewired_layers(&graph, &outputs);
    let (operations, parameters, values) = folding.numbered();
    let graph = Graph {
        operations,
        parameters,
        layers,
        ..graph
    };
    (graph, values)
}

/// The graph without the operations that do nothing in inference; none of them has parameters.
fn without_training(graph: &Graph) -> Graph {
    let mut operations: Vec<Operation> = Vec::with_capacity(graph.operations.len());
    let mut outputs: Vec<Source> = Vec::with_capacity(graph.operations.len());
    for operation in &graph.operations {
        if matches!(operation.op, Op::Dropout { .. } | Op::StochasticDepth { .. }) {
            outputs.push(moved(operation.inputs[0], &outputs));
            continue;
        }
        outputs.push(Source::Operation(operations.len()));
        operations.push(rewired(operation, &outputs));
    }
    Graph {
        layers: rewired_layers(graph, &outputs),
        operations,
        ..graph.clone()
    }
}

/// Where a value is found when the outputs of the old operations are `outputs`.
fn moved(source: Source, outputs: &[Source]) -> Source {
    match source {
        Source::Image => Source::Image,
        Source::Operation(index) => outputs[index],
    }
}

fn rewired(operation: &Operation, outputs: &[Source]) -> Operation {
    let mut operation = operation.clone();
    for source in &mut operation.inputs {
        *source = moved(*source, outputs);
    }
    operation
}

fn rewired_layers(graph: &Graph, outputs: &[Source]) -> Vec<GraphLayer> {
    let mut layers = graph.layers.clone();
    for layer in &mut layers {
        layer.output = moved(layer.output, outputs);
    }
    layers
}

/// What a batch normalization does in inference: `factor x + offset`, by channel.
struct Affine {
    factor: Vec<f64>,
    offset: Vec<f64>,
}

/// The new graph so far. Its operations have the ids of the old one; those of new biases come behind.
struct Folding {
    operations: Vec<Operation>,
    parameters: Vec<ParameterSpec>,
    values: Vec<Vec<f32>>,
}

impl Folding {
    /// Of a batch normalization; `None` of any other operation.
    fn affine(&self, op: &Op) -> Option<Affine> {
        let Op::BatchNormalization {
            gamma,
            beta,
            moving_mean,
            moving_variance,
            epsilon,
            ..
        } = op
        else {
            return None;
        };
        let wide = |id: &ParameterId| self.values[id.0].iter().map(|&value| f64::from(value));
        let variances = wide(moving_variance);
        let channels = variances.len();
        let gamma = gamma
            .as_ref()
            .map_or_else(|| vec![1.0; channels], |id| wide(id).collect());
        let beta = beta
            .as_ref()
            .map_or_else(|| vec![0.0; channels], |id| wide(id).collect());
        let factor: Vec<f64> = variances
            .zip(gamma)
            .map(|(variance, gamma)| gamma / (variance + f64::from(*epsilon)).sqrt())
            .collect();
        let shifts = wide(moving_mean).zip(&factor).zip(beta);
        let offset = shifts.map(|((mean, factor), beta)| beta - mean * factor);
        Some(Affine {
            offset: offset.collect(),
            factor,
        })
    }

    /// Gives the kernel and bias of the operation at `index` the factors and offsets; false where it has no kernel.
    fn fold(&mut self, index: usize, affine: &Affine, graph: &Graph) -> bool {
        let operation = &mut self.operations[index];
        let (Op::Convolution { kernel, bias, .. }
        | Op::DepthwiseConvolution { kernel, bias, .. }
        | Op::Dense { kernel, bias }) = &mut operation.op
        else {
            return false;
        };
        // The output's channels are a kernel's last axes: one of them, or, of a depthwise kernel, channel and multiplier.
        let channels = affine.factor.len();
        for (at, value) in self.values[kernel.0].iter_mut().enumerate() {
            *value = (f64::from(*value) * affine.factor[at % channels]) as f32;
        }
        let bias = *bias.get_or_insert_with(|| {
            let name = format!("{}/bias", graph.layers[operation.layer].name);
            self.parameters
                .push(ParameterSpec::new(name, vec![channels], Initializer::Zeros));
            self.values.push(vec![0.0; channels]);
            ParameterId(self.parameters.len() - 1)
        });
        let bias = &mut self.values[bias.0];
        for ((bias, factor), offset) in bias.iter_mut().zip(&affine.factor).zip(&affine.offset) {
            *bias = (f64::from(*bias) * factor + offset) as f32;
        }
        true
    }

    /// Operations, parameters and values, with ids in the order of the operations.
    fn numbered(mut self) -> (Vec<Operation>, Vec<ParameterSpec>, Vec<Vec<f32>>) {
        let (mut parameters, mut values) = (Vec::new(), Vec::new());
        for id in self
            .operations
            .iter_mut()
            .flat_map(|operation| operation.op.parameters_mut())
        {
            parameters.push(self.parameters[id.0].clone());
            values.push(std::mem::take(&mut self.values[id.0]));
            *id = ParameterId(parameters.len() - 1);
        }
        (self.operations, parameters, values)
    }
}

#[cfg(test)]
mod tests;

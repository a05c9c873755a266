//! Activation functions in ONNX's operators.

use super::builder::{Attribute, Builder};
use stepladder_model::Activation;

/// Adds the nodes of `function` and returns the name of the value.
pub(super) fn activation(builder: &mut Builder, function: Activation, x: &str, name: &str) -> String {
    let axis = [("axis", Attribute::Int(1))];
    let alpha = |value: f32| [("alpha", Attribute::Float(value))];
    match function {
        Activation::Linear => x.to_string(),
        Activation::Relu => builder.node("Relu", &[x], name, &[]),
        Activation::Relu6 => {
            let limits = [("min", 0.0), ("max", 6.0)];
            let [min, max] =
                limits.map(|(part, limit)| builder.floats(&format!("{name}/{part}"), &[], &[limit]));
            builder.node("Clip", &[x, &min, &max], name, &[])
        }
        Activation::LeakyRelu { negative_slope } => {
            builder.node("LeakyRelu", &[x], name, &alpha(negative_slope))
        }
        Activation::Elu => builder.node("Elu", &[x], name, &alpha(1.0)),
        Activation::Sigmoid => builder.node("Sigmoid", &[x], name, &[]),
        // ONNX's own slope is 0.2.
        Activation::HardSigmoid => {
            let line = [
                ("alpha", Attribute::Float(1.0 / 6.0)),
                ("beta", Attribute::Float(0.5)),
            ];
            builder.node("HardSigmoid", &[x], name, &line)
        }
        Activation::HardSwish => builder.node("HardSwish", &[x], name, &[]),
        Activation::Tanh => builder.node("Tanh", &[x], name, &[]),
        // The channels: axis 1 of maps and of vectors alike.
        Activation::Softmax => builder.node("Softmax", &[x], name, &axis),
        Activation::Swish => {
            let gate = builder.node("Sigmoid", &[x], &format!("{name}/sigmoid"), &[]);
            builder.node("Mul", &[x, &gate], name, &[])
        }
        Activation::Gelu => gelu(builder, x, name),
    }
}

/// `x * Phi(x) = 0.5 * (x * (1 + erf(x / sqrt(2))))`, in the order that runtimes know and fuse.
fn gelu(builder: &mut Builder, x: &str, name: &str) -> String {
    let root = builder.floats(&format!("{name}/sqrt2"), &[], &[std::f32::consts::SQRT_2]);
    let one = builder.floats(&format!("{name}/one"), &[], &[1.0]);
    let half = builder.floats(&format!("{name}/half"), &[], &[0.5]);
    let scaled = builder.node("Div", &[x, &root], &format!("{name}/scaled"), &[]);
    let erf = builder.node("Erf", &[&scaled], &format!("{name}/erf"), &[]);
    let sum = builder.node("Add", &[&erf, &one], &format!("{name}/sum"), &[]);
    let product = builder.node("Mul", &[x, &sum], &format!("{name}/product"), &[]);
    builder.node("Mul", &[&product, &half], name, &[])
}

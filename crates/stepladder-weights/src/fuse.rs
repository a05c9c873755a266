//! RepVGG's branches as the one convolution that they add up to, which is what the rung has.
//!
//! A block is trained as `bn(conv3x3(x)) + bn(conv1x1(x)) + bn(x)`, each term linear in inference, so that one kernel and one
//! bias do the same (Ding and others 2021, section 3.3).

use crate::fit::Candidate;
use crate::tensor::Tensor;
use std::borrow::Cow;
use std::collections::BTreeMap;
use stepladder_model::Graph;

/// What RepVGG's normalizations add to the variance, timm's and the original's.
const EPSILON: f64 = 1e-5;

/// What timm calls the fused convolution of a block.
const FUSED: &str = "reparam_conv";

/// Puts a fused convolution in the place of each block's branches that the graph has fused. A file whose blocks are fused already,
/// or whose branches do not have the shapes that they must, is left as it is.
pub(crate) fn branches<'a>(candidates: &mut BTreeMap<String, Candidate<'a>>, graph: &Graph) {
    let layers = graph.layers.iter();
    let paths = layers.filter_map(|layer| Some(layer.name.replace('-', ".").strip_suffix(FUSED)?.to_owned()));
    for path in paths.collect::<Vec<_>>() {
        if candidates.contains_key(&format!("{path}{FUSED}.weight")) {
            continue;
        }
        if let Some(Fused { kernel, bias, names }) = fused(candidates, &path) {
            let mut origins = Vec::new();
            for name in names {
                origins.extend(
                    candidates
                        .remove(&name)
                        .map(|used| used.origins)
                        .into_iter()
                        .flatten(),
                );
            }
            for (part, tensor) in [("weight", kernel), ("bias", bias)] {
                let candidate = Candidate {
                    origins: origins.clone(),
                    tensor: Cow::Owned(tensor),
                };
                candidates.insert(format!("{path}{FUSED}.{part}"), candidate);
            }
        }
    }
}

struct Fused {
    /// (out, in, 3, 3)
    kernel: Tensor,
    /// (out)
    bias: Tensor,
    /// The tensors that it was made from.
    names: Vec<String>,
}

/// The sum of a block's branches.
fn fused(candidates: &BTreeMap<String, Candidate<'_>>, path: &str) -> Option<Fused> {
    let mut names = Vec::new();
    let mut of = |name: String| -> Option<&Tensor> {
        let tensor = candidates.get(&name)?.tensor.as_ref();
        names.push(name);
        Some(tensor)
    };
    let large = of(format!("{path}conv_kxk.conv.weight"))?;
    let &[to, from, height, width] = large.shape.as_slice() else {
        return None;
    };
    if large.values.is_empty() {
        return None;
    }
    let mut kernel = vec![0.0; large.values.len()];
    let mut bias = vec![0.0; to];
    let (pixels, center) = (height * width, height / 2 * width + width / 2);

    let normalization = Normalization::of(&mut of, &format!("{path}conv_kxk.bn"), to)?;
    for (filter, values) in large.values.chunks_exact(from * pixels).enumerate() {
        let sums = &mut kernel[filter * from * pixels..];
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum += normalization.factors[filter] * f64::from(value);
        }
    }
    normalization.add_to(&mut bias);

    if let Some(small) = of(format!("{path}conv_1x1.conv.weight")) {
        if small.shape != [to, from, 1, 1] {
            return None;
        }
        let normalization = Normalization::of(&mut of, &format!("{path}conv_1x1.bn"), to)?;
        for (index, &value) in small.values.iter().enumerate() {
            kernel[index * pixels + center] += normalization.factors[index / from] * f64::from(value);
        }
        normalization.add_to(&mut bias);
    }
    if from == to
        && let Some(normalization) = Normalization::of(&mut of, &format!("{path}identity"), to)
    {
        for filter in 0..to {
            kernel[(filter * from + filter) * pixels + center] += normalization.factors[filter];
        }
        normalization.add_to(&mut bias);
    }
    let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
    Some(Fused {
        kernel: Tensor::new(large.shape.clone(), narrow(kernel)),
        bias: Tensor::new(vec![to], narrow(bias)),
        names,
    })
}

/// A normalization in inference: a factor and an offset for each channel.
struct Normalization {
    factors: Vec<f64>,
    offsets: Vec<f64>,
}

impl Normalization {
    /// That of a module, if it has all four tensors of `channels` values.
    fn of<'t>(
        tensor: &mut impl FnMut(String) -> Option<&'t Tensor>,
        module: &str,
        channels: usize,
    ) -> Option<Normalization> {
        let mut values = |part: &str| {
            let tensor = tensor(format!("{module}.{part}"))?;
            (tensor.shape == [channels]).then_some(&tensor.values)
        };
        let (gamma, beta) = (values("weight")?, values("bias")?);
        let (mean, variance) = (values("running_mean")?, values("running_var")?);
        let factor =
            |(&gamma, &variance): (&f32, &f32)| f64::from(gamma) / (f64::from(variance) + EPSILON).sqrt();
        let factors: Vec<f64> = gamma.iter().zip(variance).map(factor).collect();
        let offsets = beta.iter().zip(mean).zip(&factors);
        let offset =
            |((&beta, &mean), factor): ((&f32, &f32), &f64)| f64::from(beta) - f64::from(mean) * factor;
        Some(Normalization {
            offsets: offsets.map(offset).collect(),
            factors,
        })
    }

    fn add_to(&self, bias: &mut [f64]) {
        for (sum, offset) in bias.iter_mut().zip(&self.offsets) {
            *sum += offset;
        }
    }
}

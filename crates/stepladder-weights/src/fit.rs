//! Which tensor is which parameter: by name, and then by shape.

use crate::fuse;
use crate::layout::Layout;
use crate::names;
use crate::tensor::{Tensor, Weights};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use stepladder_model::{Graph, ParameterSpec};

/// What a file gives a graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fitted {
    /// For each parameter of the graph, in its order, the values in its layout; none where the file has none that fit.
    pub parameters: Vec<Option<Vec<f32>>>,
    /// Names of parameters that no tensor is called after.
    pub missing: Vec<String>,
    /// Names of tensors that no parameter wanted.
    pub unused: Vec<String>,
    /// Tensors that have their parameter's name and not its shape, in the graph's order.
    pub misfits: Vec<Misfit>,
}

/// A tensor that is called as a parameter and has another shape. Of a file for 1000 classes, the head is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The parameter: `fc/kernel`.
    pub parameter: String,
    /// The tensor's name in the file: `fc.weight`.
    pub tensor: String,
    /// The tensor's shape.
    pub found: Vec<usize>,
    /// The shape that the file should have it in.
    pub expected: Vec<usize>,
}

/// `fc.weight is 1000 x 512 where fc/kernel takes 5 x 512`
impl fmt::Display for Misfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sides = |shape: &[usize]| -> String {
            let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
            sides.join(" x ")
        };
        let (found, expected) = (sides(&self.found), sides(&self.expected));
        write!(
            formatter,
            "{} is {found} where {} takes {expected}",
            self.tensor, self.parameter
        )
    }
}

/// A tensor under the name by which parameters are looked up.
pub(crate) struct Candidate<'a> {
    /// What the file calls it; several where it was computed from several.
    pub origins: Vec<&'a str>,
    pub tensor: Cow<'a, Tensor>,
}

/// Finds the values of the graph's parameters among the tensors of a file; the crate's documentation says by which names.
pub fn fit(weights: &Weights, graph: &Graph) -> Fitted {
    let mut candidates = names::candidates(weights, graph);
    fuse::branches(&mut candidates, graph);
    let mut fitted = Fitted::default();
    for (spec, layout) in graph.parameters.iter().zip(Layout::of_parameters(graph)) {
        let values = match find(&candidates, spec) {
            None => {
                fitted.missing.push(spec.name.clone());
                None
            }
            Some(name) => take(&mut fitted, &mut candidates, &name, spec, &layout),
        };
        fitted.parameters.push(values);
    }
    let left = candidates.into_values().flat_map(|candidate| candidate.origins);
    fitted.unused = left.map(str::to_owned).collect();
    fitted.unused.sort_unstable();
    fitted.unused.dedup();
    fitted
}

/// The name of the tensor that is called as the parameter.
fn find(candidates: &BTreeMap<String, Candidate<'_>>, spec: &ParameterSpec) -> Option<String> {
    let mut names = names::of_parameter(&spec.name).into_iter();
    names.find(|name| candidates.contains_key(name))
}

/// The values of a tensor that is called as the parameter; a misfit where it has another shape.
fn take(
    fitted: &mut Fitted,
    candidates: &mut BTreeMap<String, Candidate<'_>>,
    name: &str,
    spec: &ParameterSpec,
    layout: &Layout,
) -> Option<Vec<f32>> {
    let Candidate { origins, tensor } = candidates.remove(name)?;
    let is_own = name == spec.name;
    let (values, expected) = if is_own {
        let fits = tensor.shape == spec.shape;
        (fits.then(|| tensor.values.clone()), spec.shape.clone())
    } else {
        (layout.values(&tensor), layout.shape())
    };
    if values.is_none() {
        fitted.misfits.push(Misfit {
            parameter: spec.name.clone(),
            tensor: origins.join(" + "),
            found: tensor.shape.clone(),
            expected,
        });
    }
    values
}

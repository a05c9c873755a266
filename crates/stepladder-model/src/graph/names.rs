//! Names of layers: the ones that a rung gives, the ones that Keras would give, and what they stand for as inputs.

use std::collections::{BTreeMap, BTreeSet};

use super::GraphError;
use crate::rung::LayerSpec;
use crate::shown::shown;
use crate::suggest;

/// The name under which a layer may take the network's input.
pub(super) const IMAGE: &str = "image";

/// A unique name for each layer: the given one, or its kind, numbered from the second on as in Keras. A number that the
/// rung has given away is passed over.
pub(crate) fn names(specs: &[LayerSpec]) -> Vec<String> {
    let given: BTreeSet<&str> = specs.iter().filter_map(|spec| spec.name.as_deref()).collect();
    let mut used: BTreeMap<&str, usize> = BTreeMap::new();
    let name = |spec: &LayerSpec| {
        if let Some(name) = &spec.name {
            return name.clone();
        }
        let kind = spec.layer.automatic_name();
        let number = used.entry(kind).or_default();
        loop {
            let name = if *number == 0 {
                kind.to_owned()
            } else {
                format!("{kind}_{number}")
            };
            *number += 1;
            if !given.contains(name.as_str()) {
                return name;
            }
        }
    };
    specs.iter().map(name).collect()
}

/// Refuses a name that two layers have, or that is not theirs to have.
pub(super) fn check(specs: &[LayerSpec]) -> Result<(), GraphError> {
    let mut given = BTreeSet::new();
    for spec in specs {
        let Some(name) = &spec.name else { continue };
        let place = spec.place.clone();
        if name == IMAGE {
            return Err(GraphError::ReservedName { place });
        }
        if !given.insert(name) {
            return Err(GraphError::DuplicateName {
                place,
                name: name.clone(),
            });
        }
    }
    Ok(())
}

/// What a layer names as its input.
#[derive(Clone, Copy)]
pub(super) enum Named {
    Image,
    /// The layer of this index, which stands before.
    Layer(usize),
}

/// The names that a rung gives to its layers.
pub(super) struct GivenNames<'a> {
    layers: BTreeMap<&'a str, usize>,
}

impl<'a> GivenNames<'a> {
    pub(super) fn new(specs: &'a [LayerSpec]) -> GivenNames<'a> {
        let names = specs.iter().enumerate();
        let layers = names
            .filter_map(|(index, spec)| Some((spec.name.as_deref()?, index)))
            .collect();
        GivenNames { layers }
    }

    /// What the layer at `index` reads: what it names, or the layer before it.
    pub(super) fn inputs(&self, index: usize, spec: &LayerSpec) -> Result<Vec<Named>, GraphError> {
        if spec.inputs.is_empty() {
            return Ok(vec![index.checked_sub(1).map_or(Named::Image, Named::Layer)]);
        }
        let (place, layer) = (&spec.place, spec.layer.kind());
        let named = |input: &String| match self.layers.get(input.as_str()) {
            _ if input == IMAGE => Ok(Named::Image),
            Some(&before) if before < index => Ok(Named::Layer(before)),
            Some(_) => Err(GraphError::LaterInput {
                place: place.clone(),
                layer,
                input: shown(input),
            }),
            None => Err(GraphError::UnknownInput {
                place: place.clone(),
                layer,
                input: shown(input),
                remedy: self.remedy(input),
            }),
        };
        spec.inputs.iter().map(named).collect()
    }

    fn remedy(&self, input: &str) -> String {
        match suggest::nearest(input, self.layers.keys().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("give the layer that it means `name = \"{}\"`", shown(input)),
        }
    }
}

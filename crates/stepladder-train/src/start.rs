//! A training that starts from pretrained weights: where they are read from, what of them fits the network, and the values that
//! training begins with.

mod exact;
mod feature_checks;
mod features;
mod head;
mod source;

pub(crate) use exact::solve;
pub use feature_checks::{FeatureChecks, LookAlike};

use crate::error::TrainError;
use crate::preparation::{Prepared, TrainingRequest};
use head::KeptHead;
use source::Source;
use std::sync::OnceLock;
use stepladder_classifier::Classifier;
use stepladder_model::{Frozen, Graph, ImageSize, Op, Rung, Start};
use stepladder_nn::{Array, Device, Model};
use stepladder_run::StartRecord;
use stepladder_weights::{Fitted, fit};

/// Names that are listed in a message before "and so many more".
const LISTED: usize = 4;

/// Pretrained weights, ready for the network.
#[derive(Debug)]
pub(crate) struct Pretrained {
    /// For each parameter of the graph, its values, where the weights have it; none for the head.
    parameters: Vec<Option<Vec<f32>>>,
    /// Where the head keeps what the weights know of its classes.
    kept: Option<KeptHead>,
    record: StartRecord,
    /// The head that was fitted exactly, kernel and bias, once there is one.
    exact: OnceLock<[Array; 2]>,
}

impl Pretrained {
    /// Reads the weights that the rung starts from and fits them to its network.
    pub fn load(rung: &Rung, graph: &Graph, classes: &[String]) -> Result<Option<Pretrained>, TrainError> {
        let Some(start) = &rung.start else {
            return Ok(None);
        };
        let wrong = |reason: String| TrainError::Start {
            weights: start.weights.clone(),
            reason,
        };
        let source = Source::read(&start.weights)?;
        if let Some(expected) = start
            .sha256
            .as_ref()
            .filter(|expected| **expected != source.sha256)
        {
            return Err(wrong(format!(
                "its sha256 is {} where the rung expects {expected}; take the file that the rung was made for, or mend `sha256` in [start]",
                source.sha256
            )));
        }
        check_photos(&source, graph).map_err(wrong)?;
        let head = head::Place::of(graph);
        if start.exact_head {
            head.as_ref().map_err(|reason| wrong(reason.clone()))?;
        }
        let fitted = without_head(fit(&source.weights, graph), graph);
        check(start, rung, graph, &fitted).map_err(wrong)?;
        let kept = match start.head {
            stepladder_model::Head::New => None,
            stepladder_model::Head::ByClassName => {
                let place = head.map_err(wrong)?;
                Some(KeptHead::new(&source, &place, classes).map_err(wrong)?)
            }
        };
        let of_kept = kept.iter().flat_map(|kept| kept.classes(classes));
        let record = StartRecord {
            weights: start.weights.clone(),
            sha256: source.sha256,
            loaded: fitted.parameters.iter().flatten().count(),
            missing: fitted.missing,
            unused: fitted.unused,
            misfits: fitted.misfits.iter().map(ToString::to_string).collect(),
            kept_classes: of_kept.collect(),
            head: None,
        };
        Ok(Some(Pretrained {
            parameters: fitted.parameters,
            kept,
            record,
            exact: OnceLock::new(),
        }))
    }

    /// What was read, for `start.json`.
    pub fn record(&self) -> &StartRecord {
        &self.record
    }

    /// One line about it.
    pub fn told(&self) -> String {
        let StartRecord {
            weights,
            loaded,
            missing,
            unused,
            misfits,
            kept_classes,
            ..
        } = &self.record;
        let mut told = format!("{weights}: {loaded} tensors");
        let mut add = |words: &str, names: &[String]| {
            if !names.is_empty() {
                told += &format!("; {words} {}", listed(names));
            }
        };
        add("new are", missing);
        add("of another shape, so new:", misfits);
        add("not used:", unused);
        add("the head knows", kept_classes);
        told
    }

    /// The values of `model` with those of the weights in their places.
    fn applied(&self, model: &Model) -> Vec<Array> {
        let mut arrays = model.to_arrays();
        for (array, values) in arrays.iter_mut().zip(&self.parameters) {
            if let Some(values) = values {
                array.values.clone_from(values);
            }
        }
        if let Some(kept) = &self.kept {
            kept.apply(&mut arrays);
        }
        for of_head in self.exact.get().into_iter().flatten() {
            if let Some(array) = arrays.iter_mut().find(|array| array.name == of_head.name) {
                array.values.clone_from(&of_head.values);
            }
        }
        arrays
    }
}

impl TrainingRequest {
    /// The model that training begins with: initial values from `seed`, and pretrained ones where the rung starts from some.
    pub(crate) fn initial_model(&self, prepared: &Prepared, seed: u64) -> Result<Model, TrainError> {
        let model = Model::new(prepared.graph.clone(), seed, self.device);
        match &prepared.pretrained {
            None => Ok(model),
            Some(pretrained) => {
                let arrays = pretrained.applied(&model);
                Ok(Model::from_arrays(prepared.graph.clone(), arrays, self.device)?)
            }
        }
    }

    /// Whether the head is fitted exactly before the first step.
    pub(crate) fn has_exact_head(&self) -> bool {
        self.rung.start.as_ref().is_some_and(|start| start.exact_head)
    }

    /// Whether training is no more than an exact head on frozen features.
    pub(crate) fn is_exact(&self) -> bool {
        self.rung.start.as_ref().is_some_and(Start::is_exact)
    }

    /// What the learning rate of each parameter is multiplied by, for the stage of the network that it is of.
    pub(crate) fn stage_rates(&self, graph: &Graph) -> Vec<f32> {
        let decay = self
            .rung
            .start
            .as_ref()
            .map_or(1.0, |start| start.learning_rate_decay);
        graph.learning_rate_factors(decay)
    }
}

/// The network of a rung with pretrained weights and a head of no meaning, for what it makes of photos before its head.
///
/// # Errors
///
/// The weights cannot be read, or are not of that network.
pub fn backbone(
    weights: &str,
    rung: &Rung,
    size: ImageSize,
    device: Device,
) -> Result<Classifier, TrainError> {
    let rung = Rung {
        start: Some(Start::new(weights)),
        ..rung.clone()
    };
    let classes = ["0", "1"].map(str::to_string).to_vec();
    let graph = rung.graph(size, classes.len())?;
    let model = Model::new(graph.clone(), 0, device);
    let model = match Pretrained::load(&rung, &graph, &classes)? {
        Some(pretrained) => Model::from_arrays(graph, pretrained.applied(&model), device)?,
        None => model,
    };
    let model = model.with_precision(device.default_precision());
    Ok(Classifier::new(model, rung, classes))
}

/// The network of a rung that may start from pretrained weights, for training: what is frozen is marked, by the rung's start and where a
/// phase holds more.
pub(crate) fn frozen(rung: &Rung, graph: Graph, held: Option<&Frozen>) -> Graph {
    match &rung.start {
        None => graph,
        Some(start) => {
            let held = held.map_or(0, |held| graph.frozen_layers(held));
            let layers = graph.frozen_layers(&start.frozen).max(held);
            graph.freeze(layers, start.frozen_statistics)
        }
    }
}

/// What fits, the head aside, which is another matter.
fn without_head(mut fitted: Fitted, graph: &Graph) -> Fitted {
    let Some(head) = graph.head() else {
        return fitted;
    };
    let Op::Dense { kernel, bias } = graph.operations[head].op else {
        return fitted;
    };
    for id in [Some(kernel), bias].into_iter().flatten() {
        let name = &graph.parameter(id).name;
        fitted.parameters[id.0] = None;
        fitted.missing.retain(|other| other != name);
        fitted.misfits.retain(|misfit| misfit.parameter != *name);
    }
    fitted
}

/// The largest difference of two means or variances that are taken for the same.
const SAME: f32 = 1e-3;

/// Refuses weights that want their photos normalized otherwise than the network does it, where that is known.
fn check_photos(source: &Source, graph: &Graph) -> Result<(), String> {
    let Some(config) = &source.config else {
        return Ok(());
    };
    let wanted = config.preprocessing.normalization();
    let normalization = graph.operations.iter().find_map(|operation| {
        if let Op::Normalization { mean, variance } = &operation.op {
            Some((operation.layer, mean, variance))
        } else {
            None
        }
    });
    let Some((layer, mean, variance)) = normalization else {
        return Err(format!(
            "its photos were normalized by a mean of {:?} and a variance of {:?}, and the rung has no layer that does it; begin the rung with \
             {{ layer = \"Normalization\", mean = {:?}, variance = {:?} }}",
            wanted.mean, wanted.variance, wanted.mean, wanted.variance
        ));
    };
    let is_same = |found: &[f32], wanted: &[f32]| {
        let pairs = (0..3).map(|channel| (found[channel % found.len()], wanted[channel % wanted.len()]));
        pairs
            .into_iter()
            .all(|(found, wanted)| (found - wanted).abs() < SAME)
    };
    if is_same(mean, &wanted.mean) && is_same(variance, &wanted.variance) {
        return Ok(());
    }
    let layer = &graph.layers[layer].name;
    Err(format!(
        "its photos were normalized by a mean of {:?} and a variance of {:?}, and the rung does it otherwise; give its layer {layer} \
         mean = {:?} and variance = {:?}",
        wanted.mean, wanted.variance, wanted.mean, wanted.variance
    ))
}

/// Refuses weights of which nothing fits, and those that leave a part of what is frozen without values.
fn check(start: &Start, rung: &Rung, graph: &Graph, fitted: &Fitted) -> Result<(), String> {
    let misfits: Vec<String> = fitted.misfits.iter().map(ToString::to_string).collect();
    let remedy = "take weights of this network, or the rung of the network that these are of";
    if fitted.parameters.iter().all(Option::is_none) {
        let what = match (misfits.is_empty(), fitted.unused.is_empty()) {
            (false, _) => listed(&misfits),
            (true, false) => format!(
                "it has {}, and the network {}",
                listed(&fitted.unused),
                listed(&fitted.missing)
            ),
            (true, true) => "it is empty".to_string(),
        };
        return Err(format!(
            "nothing in it fits rung `{}`: {what}; {remedy}",
            rung.name
        ));
    }
    let frozen = graph.frozen_layers(&start.frozen);
    let mut without: Vec<String> = Vec::new();
    for layer in 0..frozen {
        for id in graph.layer_parameters(layer) {
            if fitted.parameters[id.0].is_none() {
                without.push(graph.parameter(id).name.clone());
            }
        }
    }
    if without.is_empty() {
        return Ok(());
    }
    let shapes = match misfits.is_empty() {
        true => String::new(),
        false => format!(" ({})", listed(&misfits)),
    };
    Err(format!(
        "it has no values for {} of rung `{}`, which stay frozen{shapes}; {remedy}, or freeze less (`frozen` in [start])",
        listed(&without),
        rung.name
    ))
}

/// Some names, and how many more there are.
fn listed(names: &[String]) -> String {
    let shown = names[..names.len().min(LISTED)].join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

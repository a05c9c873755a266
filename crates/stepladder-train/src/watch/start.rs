//! A network before its first step, and a network that is stuck: what its layers do to the scale of values and gradients.

use super::{Cause, Diagnosis};
use stepladder_nn::{Inspection, LayerScale};

/// A loss this many times that of guessing is no harmless start.
const LOSS_OF_GUESSING: f64 = 1.5;

/// Growth of the values, from the first layer to the greatest, that explains such a loss.
const GROWTH: f32 = 8.0;

/// What is left of the values, from the first layer to the last but one, or of the logits' spread, when photos cannot be told apart.
const SHRINKAGE: f32 = 1e-3;

/// A gradient this small beside that of the last layer, both in proportion to their weights, is as good as none.
const FAINT: f32 = 1e-5;

/// The share of units that give nothing from which a layer is called dead.
const DEAD: f32 = 0.9;

/// What is wrong before the first step; nothing, most often. `classes` guess at a loss of ln(classes).
pub(crate) fn at_the_start(inspection: &Inspection, classes: usize) -> Vec<Diagnosis> {
    let mut found = Vec::new();
    found.extend(explosion(inspection, classes));
    // Where units are dead, values vanish, and where values vanish, so do gradients: one cause is enough.
    let rules: [fn(&Inspection) -> Option<Diagnosis>; 3] = [dead_units, vanished_values, vanished_gradients];
    if found.is_empty() {
        found.extend(rules.iter().find_map(|rule| rule(inspection)));
    }
    found
}

/// What the layers of a stuck network show, as a clause to go on with: the layer, and what is wrong with it.
pub(crate) fn why_stuck(inspection: &Inspection, classes: usize) -> Option<Diagnosis> {
    at_the_start(inspection, classes).into_iter().next()
}

fn diagnosis(cause: Cause, layer: &str, seen: String, remedy: &str) -> Diagnosis {
    Diagnosis {
        cause,
        epoch: 1,
        step: 0,
        layer: Some(layer.to_string()),
        seen,
        remedy: remedy.to_string(),
    }
}

fn greatest(layers: &[LayerScale]) -> Option<&LayerScale> {
    layers.iter().max_by(|a, b| a.rms.total_cmp(&b.rms))
}

fn explosion(inspection: &Inspection, classes: usize) -> Option<Diagnosis> {
    let guessing = (classes as f64).ln();
    let loss = f64::from(inspection.loss);
    let (first, greatest) = (inspection.layers.first()?, greatest(&inspection.layers)?);
    let growth = greatest.rms / first.rms.max(f32::MIN_POSITIVE);
    let explodes = !loss.is_finite() || (loss > LOSS_OF_GUESSING * guessing && growth > GROWTH);
    explodes.then(|| {
        diagnosis(
            Cause::ExplodingActivations,
            &greatest.layer,
            format!(
                "values grow from {} in {} to {} in {}, and the loss begins at {loss:.2} where guessing costs {guessing:.2}",
                shown(first.rms),
                first.layer,
                shown(greatest.rms),
                greatest.layer,
            ),
            "add a BatchNormalization behind each convolution, or begin at a lower rate with --schedule cosine --warmup 1",
        )
    })
}

fn vanished_values(inspection: &Inspection) -> Option<Diagnosis> {
    let first = inspection.layers.first()?;
    let hidden = &inspection.layers[..inspection.layers.len().saturating_sub(1)];
    let faint = hidden.iter().find(|layer| layer.rms < SHRINKAGE * first.rms);
    let layer = match faint {
        Some(layer) => layer,
        None if inspection.logit_spread < SHRINKAGE => inspection.layers.last()?,
        None => return None,
    };
    Some(diagnosis(
        Cause::VanishingActivations,
        &layer.layer,
        format!(
            "values shrink from {} in {} to {} in {}, and the scores differ by {} from photo to photo",
            shown(first.rms),
            first.layer,
            shown(layer.rms),
            layer.layer,
            shown(inspection.logit_spread),
        ),
        "initialize with he_normal (kernel_initializer in [defaults]), or add BatchNormalization",
    ))
}

fn dead_units(inspection: &Inspection) -> Option<Diagnosis> {
    let dead = |layer: &&LayerScale| layer.units >= 8 && layer.dead as f32 >= DEAD * layer.units as f32;
    let layer = inspection.layers.iter().find(dead)?;
    Some(diagnosis(
        Cause::DeadUnits,
        &layer.layer,
        format!(
            "{} of the {} units of {} give 0 for every photo, and get no gradient",
            layer.dead, layer.units, layer.layer
        ),
        "lower the learning rate, or write leaky_relu instead of relu",
    ))
}

fn vanished_gradients(inspection: &Inspection) -> Option<Diagnosis> {
    let relative = |layer: &LayerScale| Some(layer.gradient_rms? / layer.weight_rms?.max(f32::MIN_POSITIVE));
    let mut with_gradient = inspection.layers.iter().filter(|layer| relative(layer).is_some());
    let (first, last) = (with_gradient.next()?, with_gradient.next_back()?);
    let (of_first, of_last) = (relative(first)?, relative(last)?);
    (of_first < FAINT * of_last).then(|| {
        diagnosis(
            Cause::VanishingGradients,
            &first.layer,
            format!(
                "the gradient is {} of its weights in {} and {} in {}",
                shown(of_last),
                last.layer,
                shown(of_first),
                first.layer
            ),
            "initialize with he_normal, add BatchNormalization or skip connections (Add), or use fewer layers",
        )
    })
}

/// Three digits, whatever the size.
fn shown(value: f32) -> String {
    match value.abs() {
        x if !(0.01..10_000.0).contains(&x) && x != 0.0 => format!("{value:.1e}"),
        x if x >= 100.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, rms: f32, gradient: f32) -> LayerScale {
        LayerScale {
            layer: name.to_string(),
            rms,
            units: 32,
            dead: 3,
            weight_rms: Some(0.1),
            gradient_rms: Some(gradient),
        }
    }

    fn healthy() -> Inspection {
        Inspection {
            loss: 1.7,
            logit_spread: 0.4,
            layers: vec![
                layer("conv2d", 0.5, 0.01),
                layer("conv2d_1", 0.7, 0.02),
                layer("dense", 0.9, 0.03),
            ],
        }
    }

    fn causes(inspection: &Inspection) -> Vec<Cause> {
        let found = at_the_start(inspection, 5);
        found.into_iter().map(|diagnosis| diagnosis.cause).collect()
    }

    #[test]
    fn each_fault_has_its_name_and_health_has_none() {
        assert!(causes(&healthy()).is_empty());
        let mut exploding = healthy();
        exploding.layers[1].rms = 12.0;
        assert_eq!(
            causes(&exploding),
            [],
            "values may grow where the loss is that of guessing"
        );
        exploding.loss = 6.0;
        assert_eq!(causes(&exploding), [Cause::ExplodingActivations]);
        let mut faint = healthy();
        faint.layers[1].rms = 1e-5;
        assert_eq!(causes(&faint), [Cause::VanishingActivations]);
        let mut dead = healthy();
        dead.layers[1].dead = 31;
        assert_eq!(causes(&dead), [Cause::DeadUnits]);
        let mut deep = healthy();
        deep.layers[0].gradient_rms = Some(1e-9);
        assert_eq!(causes(&deep), [Cause::VanishingGradients]);
        assert!(why_stuck(&deep, 5).is_some() && why_stuck(&healthy(), 5).is_none());
    }

    #[test]
    fn a_network_without_layers_to_speak_of_is_no_reason_to_panic() {
        let empty = Inspection {
            loss: 1.0,
            logit_spread: 1.0,
            layers: Vec::new(),
        };
        assert!(causes(&empty).is_empty());
    }
}

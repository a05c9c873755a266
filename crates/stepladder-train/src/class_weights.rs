//! From what a rung says of class weights to a factor for each class of the data.

use crate::error::TrainError;
use stepladder_model::ClassWeights;

/// A factor for each class, or none where every photo counts the same. `photos` holds the number of training photos of each class.
///
/// # Errors
///
/// They do not fit the classes, or leave no photo that counts anything.
pub(crate) fn factors(
    weights: &ClassWeights,
    classes: &[String],
    photos: &[usize],
) -> Result<Vec<f32>, TrainError> {
    let factors = of_each(weights, classes, photos)?;
    let counts = |(factor, photos): (&f32, &usize)| *factor > 0.0 && *photos > 0;
    match factors.is_empty() || factors.iter().zip(photos).any(counts) {
        true => Ok(factors),
        false => Err(TrainError::ClassWeights(
            "every class that has training photos counts 0, so that nothing could be learned; give one of them more than 0".to_string(),
        )),
    }
}

fn of_each(weights: &ClassWeights, classes: &[String], photos: &[usize]) -> Result<Vec<f32>, TrainError> {
    match weights {
        ClassWeights::None => Ok(Vec::new()),
        ClassWeights::Balanced => {
            let all = photos.iter().sum::<usize>() as f32;
            let factor = |&of_class: &usize| all / (classes.len() as f32 * of_class.max(1) as f32);
            Ok(photos.iter().map(factor).collect())
        }
        ClassWeights::Each(weights) if weights.len() == classes.len() => Ok(weights.clone()),
        ClassWeights::Each(weights) => Err(TrainError::ClassWeights(format!(
            "{} numbers for {} classes; write one for each, in this order: {}",
            weights.len(),
            classes.len(),
            classes.join(", ")
        ))),
        ClassWeights::Named(named) => {
            let mut factors = vec![1.0; classes.len()];
            for (name, weight) in named {
                let place = classes.iter().position(|class| class == name);
                let place = place.ok_or_else(|| {
                    TrainError::ClassWeights(format!(
                        "no class is called {name}; there are {}",
                        classes.join(", ")
                    ))
                })?;
                factors[place] = *weight;
            }
            Ok(factors)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_weights_are_scikit_learns_and_names_are_found() {
        let classes = ["ash", "birch", "cedar"].map(String::from);
        let of = |weights| factors(&weights, &classes, &[10, 20, 30]);
        assert!(of(ClassWeights::None).unwrap().is_empty());
        // sklearn.utils.class_weight.compute_class_weight("balanced", ...) of such labels
        let balanced = of(ClassWeights::Balanced).unwrap();
        for (found, expected) in balanced.iter().zip([2.0, 1.0, 2.0 / 3.0]) {
            assert!((found - expected).abs() < 1e-6);
        }
        let named = ClassWeights::Named(vec![("cedar".into(), 0.5)]);
        assert_eq!(of(named).unwrap(), [1.0, 1.0, 0.5]);
        let wrong = of(ClassWeights::Named(vec![("oak".into(), 2.0)])).unwrap_err();
        assert!(wrong.to_string().contains("oak") && wrong.to_string().contains("birch"));
        for nothing in [
            ClassWeights::Each(vec![0.0; 3]),
            ClassWeights::Named(classes.iter().map(|class| (class.clone(), 0.0)).collect()),
        ] {
            let refusal = of(nothing).unwrap_err().to_string();
            assert!(refusal.contains("nothing could be learned"), "{refusal}");
        }
        let of_none = factors(&ClassWeights::Each(vec![0.0, 0.0, 1.0]), &classes, &[10, 20, 0]);
        assert!(of_none.is_err(), "the only class that counts has no photo");
        assert!(of(ClassWeights::Each(vec![0.0, 0.0, 1.0])).is_ok());
        let short = of(ClassWeights::Each(vec![1.0, 2.0])).unwrap_err().to_string();
        assert!(short.contains("2 numbers for 3 classes"), "{short}");
    }
}

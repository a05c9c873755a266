//! The figures of a training's steps in bounded memory: neighbors are averaged, and the longer the training, the more of them.

use serde::Deserialize;

/// The most places of a curve; when it is full, each two neighbors become one.
const PLACES: usize = 600;

/// A line of `steps.jsonl`, of which anything may be missing or no number.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct StepFigures {
    /// Steps before it.
    pub step: u64,
    /// Its epoch, from 1.
    #[serde(default)]
    pub epoch: u64,
    /// Mean loss of the batch.
    #[serde(default)]
    pub loss: Option<f64>,
    /// Share of the batch that was right.
    #[serde(default)]
    pub accuracy: Option<f64>,
    /// The step's learning rate.
    #[serde(default)]
    pub learning_rate: Option<f64>,
}

/// Figures by step, with the means of neighbors where there are many.
#[derive(Debug, Clone, PartialEq)]
pub struct StepCurve {
    places: Vec<Place>,
    /// Steps in a full place.
    width: u64,
}

/// Neighboring steps: sums of their figures, each with how many there were.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Place {
    steps: u64,
    /// The last of them.
    last: u64,
    loss: (f64, f64),
    accuracy: (f64, f64),
    rate: Option<f64>,
}

impl Default for StepCurve {
    fn default() -> StepCurve {
        StepCurve {
            places: Vec::new(),
            width: 1,
        }
    }
}

impl StepCurve {
    /// Adds the next step.
    pub fn push(&mut self, step: &StepFigures) {
        let one = Place {
            steps: 1,
            last: step.step,
            loss: counted(step.loss),
            accuracy: counted(step.accuracy),
            rate: step.learning_rate.filter(|rate| rate.is_finite()),
        };
        match self.places.last_mut() {
            Some(place) if place.steps < self.width => *place = place.with(&one),
            _ => self.places.push(one),
        }
        if self.places.len() > PLACES {
            self.places = self
                .places
                .chunks(2)
                .map(|pair| pair.get(1).map_or(pair[0], |next| pair[0].with(next)))
                .collect();
            self.width *= 2;
        }
    }

    /// Steps done by each place, and the mean loss there.
    pub fn loss(&self) -> Vec<(f64, f64)> {
        self.means(|place| place.loss)
    }

    /// Steps done by each place, and the mean accuracy there.
    pub fn accuracy(&self) -> Vec<(f64, f64)> {
        self.means(|place| place.accuracy)
    }

    /// Steps done by each place, and the learning rate there.
    pub fn rate(&self) -> Vec<(f64, f64)> {
        let places = self.places.iter();
        places
            .filter_map(|place| Some((place.last as f64 + 1.0, place.rate?)))
            .collect()
    }

    fn means(&self, of: impl Fn(&Place) -> (f64, f64)) -> Vec<(f64, f64)> {
        let places = self.places.iter().filter(|place| of(place).1 > 0.0);
        places
            .map(|place| {
                let (sum, count) = of(place);
                // The middle of the steps that were averaged.
                (
                    place.last as f64 + 1.0 - (place.steps as f64 - 1.0) / 2.0,
                    sum / count,
                )
            })
            .collect()
    }
}

impl Place {
    fn with(&self, next: &Place) -> Place {
        let plus = |one: (f64, f64), other: (f64, f64)| (one.0 + other.0, one.1 + other.1);
        Place {
            steps: self.steps + next.steps,
            last: next.last,
            loss: plus(self.loss, next.loss),
            accuracy: plus(self.accuracy, next.accuracy),
            rate: next.rate.or(self.rate),
        }
    }
}

/// A figure and how many it is of: none, where it is no number.
fn counted(figure: Option<f64>) -> (f64, f64) {
    match figure {
        Some(figure) if figure.is_finite() => (figure, 1.0),
        _ => (0.0, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(steps: u64) -> StepCurve {
        let mut curve = StepCurve::default();
        for step in 0..steps {
            curve.push(&StepFigures {
                step,
                epoch: 1,
                loss: Some(step as f64),
                accuracy: (step % 2 == 0).then_some(0.5),
                learning_rate: Some(0.1),
            });
        }
        curve
    }

    #[test]
    fn a_short_training_is_kept_step_by_step() {
        let curve = curve(4);
        assert_eq!(curve.loss(), [(1.0, 0.0), (2.0, 1.0), (3.0, 2.0), (4.0, 3.0)]);
        assert_eq!(curve.accuracy(), [(1.0, 0.5), (3.0, 0.5)]);
        assert_eq!(curve.rate()[3], (4.0, 0.1));
    }

    #[test]
    fn a_long_one_in_means_that_lie_where_their_steps_are() {
        let curve = curve(100_000);
        let loss = curve.loss();
        assert!(loss.len() <= PLACES && loss.len() > PLACES / 3, "{}", loss.len());
        for (step, loss) in loss {
            assert!((step - 1.0 - loss).abs() < 1e-6, "{step}: {loss}");
        }
    }
}

//! L-BFGS (Liu and Nocedal 1989; Nocedal and Wright, Numerical Optimization, algorithms 7.4 and 7.5), for smooth convex functions.

/// A function to be minimized.
pub(super) trait Function {
    /// The value at a point, and the gradient there.
    fn evaluate(&self, point: &[f64], gradient: &mut [f64]) -> f64;
}

/// Differences that are remembered.
const MEMORY: usize = 12;

/// The most steps.
const STEPS: usize = 2000;

/// Armijo's condition: the decrease over that which the slope promises.
const DECREASE: f64 = 1e-4;

/// Halvings of a step before it is given up: rounding hides what it would gain.
const HALVINGS: usize = 12;

/// Moves `point` to the minimum, where no value of the gradient is greater than `tolerance`, or as near to it as rounding lets it come;
/// and says how many steps it took. It ends early, wherever it is, once `goes_on` says no.
pub(super) fn minimize(
    function: &dyn Function,
    point: &mut [f64],
    tolerance: f64,
    goes_on: &dyn Fn() -> bool,
) -> usize {
    let mut gradient = vec![0.0; point.len()];
    let mut value = function.evaluate(point, &mut gradient);
    let mut memory: Vec<Difference> = Vec::new();
    let (mut next, mut next_gradient) = (point.to_vec(), gradient.clone());
    for step in 0..STEPS {
        if greatest(&gradient) <= tolerance || !goes_on() {
            return step;
        }
        let direction = direction(&memory, &gradient);
        let slope = dot(&direction, &gradient);
        // The first step knows nothing of the scale.
        let mut length = match memory.is_empty() {
            true => 1.0 / greatest(&gradient).max(1.0),
            false => 1.0,
        };
        let mut halvings = 0;
        loop {
            for ((next, at), along) in next.iter_mut().zip(&*point).zip(&direction) {
                *next = at + length * along;
            }
            let found = function.evaluate(&next, &mut next_gradient);
            if found <= value + DECREASE * length * slope {
                value = found;
                break;
            }
            halvings += 1;
            if halvings > HALVINGS {
                return step;
            }
            length /= 2.0;
        }
        remember(&mut memory, [&next, point], [&next_gradient, &gradient]);
        point.copy_from_slice(&next);
        gradient.copy_from_slice(&next_gradient);
    }
    STEPS
}

/// How point and gradient moved with one step.
struct Difference {
    point: Vec<f64>,
    gradient: Vec<f64>,
    /// 1 / (point gradient)
    inverse: f64,
}

fn remember(memory: &mut Vec<Difference>, [next, point]: [&[f64]; 2], gradients: [&[f64]; 2]) {
    let point = difference(next, point);
    let gradient = difference(gradients[0], gradients[1]);
    let product = dot(&point, &gradient);
    // A step along which the function is straight says nothing of its curvature.
    if product <= f64::EPSILON * dot(&gradient, &gradient).sqrt() * dot(&point, &point).sqrt() {
        return;
    }
    if memory.len() == MEMORY {
        memory.remove(0);
    }
    let inverse = 1.0 / product;
    memory.push(Difference {
        point,
        gradient,
        inverse,
    });
}

/// The direction of the next step: minus the approximate inverse of the Hessian times the gradient (the two-loop recursion).
fn direction(memory: &[Difference], gradient: &[f64]) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|value| -value).collect();
    let mut factors = Vec::with_capacity(memory.len());
    for difference in memory.iter().rev() {
        let factor = difference.inverse * dot(&difference.point, &direction);
        add(&mut direction, -factor, &difference.gradient);
        factors.push(factor);
    }
    if let Some(last) = memory.last() {
        let scale = 1.0 / (last.inverse * dot(&last.gradient, &last.gradient));
        direction.iter_mut().for_each(|value| *value *= scale);
    }
    for (difference, factor) in memory.iter().zip(factors.iter().rev()) {
        let correction = factor - difference.inverse * dot(&difference.gradient, &direction);
        add(&mut direction, correction, &difference.point);
    }
    direction
}

fn add(to: &mut [f64], factor: f64, values: &[f64]) {
    for (to, value) in to.iter_mut().zip(values) {
        *to += factor * value;
    }
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn greatest(values: &[f64]) -> f64 {
    values
        .iter()
        .fold(0.0, |greatest, value| value.abs().max(greatest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A valley: 100 (x - 3)^2 + (y + x)^2 + z^4.
    struct Valley;

    impl Function for Valley {
        fn evaluate(&self, point: &[f64], gradient: &mut [f64]) -> f64 {
            let [x, y, z] = [point[0] - 3.0, point[1] + point[0], point[2]];
            gradient.copy_from_slice(&[200.0 * x + 2.0 * y, 2.0 * y, 4.0 * z * z * z]);
            100.0 * x * x + y * y + z * z * z * z
        }
    }

    #[test]
    fn the_bottom_of_a_valley_is_found() {
        let mut point = [-40.0, 25.0, 2.0];
        let steps = minimize(&Valley, &mut point, 1e-6, &|| true);
        assert!(steps < 100, "{steps} steps");
        for (found, expected) in point.iter().zip([3.0, -3.0, 0.0]) {
            // The fourth power is flat about its minimum.
            assert!((found - expected).abs() < 1e-2, "{point:?}");
        }
        assert_eq!(minimize(&Valley, &mut point, 1e-6, &|| true), 0);
    }

    #[test]
    fn it_ends_when_it_is_told_to() {
        let mut point = [-40.0, 25.0, 2.0];
        let left = std::cell::Cell::new(3);
        let goes_on = || left.replace(left.get() - 1) > 0;
        assert_eq!(minimize(&Valley, &mut point, 1e-6, &goes_on), 3);
    }
}

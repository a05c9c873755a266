//! The optimizer's step on one parameter, and the moving average of its values, in place.

use super::flex::{context, in_order, values};
use crate::profile::{self, Work};
use burn::backend::flex::FlexTensor;
use stepladder_kernels::elementwise;
use stepladder_kernels::optimizer::{Step, global_norm};

/// Moves `value` against `gradient`; `slots` are as many as the rule has. All are f32 and flat.
pub(super) fn update(step: Step, value: &mut FlexTensor, gradient: &FlexTensor, slots: &mut [FlexTensor]) {
    let gradient = in_order(gradient);
    // A value that has always been here lies in order; one that came from elsewhere is put so once.
    for tensor in slots.iter_mut().chain([&mut *value]) {
        if !tensor.is_contiguous() {
            *tensor = in_order(tensor);
        }
    }
    let gradient = values::<f32>(&gradient);
    let work = Work::passing("optimizer", size_of_val(gradient) * (3 + 2 * slots.len()));
    profile::timed(work, || {
        let mut slots: Vec<&mut [f32]> = slots.iter_mut().map(FlexTensor::storage_mut).collect();
        step.apply(context(), value.storage_mut(), gradient, &mut slots);
    });
}

/// Moves `average` towards `value`. Both are f32 and flat.
pub(super) fn moving_average(average: &mut FlexTensor, value: &FlexTensor, momentum: f32) {
    let value = in_order(value);
    if !average.is_contiguous() {
        *average = in_order(average);
    }
    let value = values::<f32>(&value);
    let work = Work::passing("moving average", 3 * size_of_val(value));
    profile::timed(work, || {
        elementwise::moving_average(context(), momentum, value, average.storage_mut());
    });
}

/// The square of a flat gradient's norm.
pub(super) fn squared_norm(gradient: &FlexTensor) -> FlexTensor {
    let gradient = in_order(gradient);
    let norm = global_norm(context(), &[values::<f32>(&gradient)]);
    super::flex::filled([1], |to: &mut [f32]| to[0] = (norm * norm) as f32)
}

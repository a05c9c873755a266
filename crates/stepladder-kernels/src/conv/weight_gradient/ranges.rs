//! Sums over ranges of pixels, each of its own, that are added up in order at the end.

use crate::{
    context::{Context, Shared},
    simd::{Kernel, Simd},
};

/// Runs `each` work item with the gradient of its range to write to, and adds these up to `gradient`. Items of a range follow each other, one
/// for each of `groups`, and write filters of their own.
pub(in crate::conv) fn sum_over_ranges(
    context: &Context,
    [ranges, groups]: [usize; 2],
    gradient: &mut [f32],
    each: impl Fn(usize, *mut f32) + Sync,
) {
    let weights = gradient.len();
    let mut sums = (ranges > 1).then(|| context.buffers().take::<f32>(ranges * weights));
    let shared = Shared::new(sums.as_deref_mut().unwrap_or(&mut *gradient));
    context.for_each(ranges * groups, |item| {
        each(item, shared.start().wrapping_add(item / groups * weights));
    });
    if let Some(sums) = sums {
        add_up(context, &sums, gradient);
    }
}

/// `gradient` = the sum of the ranges' sums, each as long as it.
pub(super) fn add_up(context: &Context, sums: &[f32], gradient: &mut [f32]) {
    let stride = gradient.len();
    let isa = context.isa();
    context.for_each_part(gradient, 1 << 14, |item, to| {
        isa.run(AddUp {
            sums,
            stride,
            first: item << 14,
            to,
        });
    });
}

/// Adds up `to.len()` sums of each range, from `first` on, in the order of the ranges.
pub(super) struct AddUp<'a> {
    pub sums: &'a [f32],
    pub stride: usize,
    pub first: usize,
    pub to: &'a mut [f32],
}

impl Kernel for AddUp<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let AddUp {
            sums,
            stride,
            first,
            to,
        } = self;
        for (range, sums) in sums.chunks_exact(stride).enumerate() {
            let from = &sums[first..first + to.len()];
            if range == 0 {
                to.copy_from_slice(from);
            } else {
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
            }
        }
    }
}

//! Arithmetic on whole pictures, as code for the vector registers of the CPU that it runs on.

/// Runs `work`, of which what is inlined is compiled for several CPUs. The results are the same bit for bit on each: a multiplication and
/// an addition are never made one.
pub(super) fn vectorized(work: impl pulp::NullaryFnOnce<Output = ()>) {
    pulp::Arch::new().dispatch(work);
}

/// Replaces each value by a function of it.
pub(super) fn each(values: &mut [f32], function: impl Fn(f32) -> f32) {
    vectorized(
        #[inline(always)]
        || values.iter_mut().for_each(|value| *value = function(*value)),
    );
}

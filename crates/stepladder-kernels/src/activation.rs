//! Activation functions and their derivatives: by themselves, and for passes that apply them to what they have just computed.

mod function;
mod softmax;

use crate::{
    context::Context,
    simd::{Element, Kernel, Simd},
};

pub(crate) use function::Function;
use function::{Elu, Gelu, HardSigmoid, HardSwish, LeakyRelu, Linear, Relu, Relu6, Sigmoid, Swish, Tanh};
pub use softmax::{softmax_rows, softmax_rows_backward};

/// A function of one value. NaN stays NaN.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    /// x
    #[default]
    Linear,
    /// max(x, 0)
    Relu,
    /// x, or `slope` x where x is negative; 0 <= slope <= 1
    LeakyRelu {
        /// The factor of negative values.
        slope: f32,
    },
    /// x sigmoid(x)
    Swish,
    /// min(max(x, 0), 6)
    Relu6,
    /// x relu6(x + 3) / 6
    HardSwish,
    /// relu6(x + 3) / 6, as in Keras 3
    HardSigmoid,
    /// x, or e^x - 1 where x is negative
    Elu,
    /// x Phi(x), with the distribution function of the normal distribution, to 1e-6
    Gelu,
    /// 1 / (1 + e^-x)
    Sigmoid,
    /// The hyperbolic tangent
    Tanh,
}

/// Values of a work item.
const PART: usize = 1 << 14;

/// `y` = `activation` of `x`.
///
/// # Panics
///
/// The lengths differ.
pub fn forward<E: Element>(context: &Context, activation: Activation, x: &[E], y: &mut [E]) {
    assert_eq!(x.len(), y.len(), "activated values");
    let isa = context.isa();
    context.for_each_part(y, PART, |item, y| {
        let x = &x[item * PART..][..y.len()];
        E::activation_forward(isa, Forward { activation, x, y });
    });
}

/// `dx`, the gradient of the loss by the activation's input `x`, from `dy`, that by its output: f'(x) times `dy`. At a corner of
/// the function the slope is that of its flatter side.
///
/// # Panics
///
/// The lengths differ.
pub fn backward<E: Element>(context: &Context, activation: Activation, x: &[E], dy: &[E], dx: &mut [E]) {
    assert!(x.len() == dx.len() && dy.len() == dx.len(), "activated values");
    let isa = context.isa();
    context.for_each_part(dx, PART, |item, dx| {
        let of_item = item * PART..item * PART + dx.len();
        let (x, dy) = (&x[of_item.clone()], &dy[of_item]);
        E::activation_backward(
            isa,
            Backward {
                activation,
                x,
                dy,
                dx,
            },
        );
    });
}

/// A kernel that wants to know its activation at compile time.
pub(crate) trait WithActivation {
    /// Runs with this activation.
    fn run<A: Function>(self, activation: A);
}

impl Activation {
    /// Whether convolutions, depthwise convolutions and epilogues apply it to what they compute. Each such function is compiled into
    /// all of them, so that rare ones are not: for those there is [`forward`].
    pub fn is_fused(self) -> bool {
        match self {
            Activation::Linear
            | Activation::Relu
            | Activation::LeakyRelu { .. }
            | Activation::Swish
            | Activation::Relu6 => true,
            Activation::HardSwish
            | Activation::HardSigmoid
            | Activation::Elu
            | Activation::Gelu
            | Activation::Sigmoid
            | Activation::Tanh => false,
        }
    }

    /// Panics unless it [is fused](Activation::is_fused).
    pub(crate) fn assert_fused(self) {
        assert!(self.is_fused(), "{self:?} is no part of other passes");
    }

    /// Whether its slope costs more to compute again than to keep.
    pub(crate) fn is_costly(self) -> bool {
        match self {
            Activation::Swish
            | Activation::Elu
            | Activation::Gelu
            | Activation::Sigmoid
            | Activation::Tanh => true,
            Activation::Linear
            | Activation::Relu
            | Activation::LeakyRelu { .. }
            | Activation::Relu6
            | Activation::HardSwish
            | Activation::HardSigmoid => false,
        }
    }

    /// Calls `kernel` with the activation, one that [is fused](Activation::is_fused), as a type.
    ///
    /// # Panics
    ///
    /// It is not fused.
    #[inline(always)]
    pub(crate) fn apply(self, kernel: impl WithActivation) {
        match self {
            Activation::Linear => kernel.run(Linear),
            Activation::Relu => kernel.run(Relu),
            Activation::LeakyRelu { slope } => kernel.run(LeakyRelu(slope)),
            Activation::Relu6 => kernel.run(Relu6),
            Activation::Swish => kernel.run(Swish),
            Activation::HardSwish
            | Activation::HardSigmoid
            | Activation::Elu
            | Activation::Gelu
            | Activation::Sigmoid
            | Activation::Tanh => self.assert_fused(),
        }
    }

    /// As [`Activation::apply`], for any activation.
    #[inline(always)]
    fn apply_any(self, kernel: impl WithActivation) {
        match self {
            Activation::Linear
            | Activation::Relu
            | Activation::LeakyRelu { .. }
            | Activation::Swish
            | Activation::Relu6 => self.apply(kernel),
            Activation::HardSwish => kernel.run(HardSwish),
            Activation::HardSigmoid => kernel.run(HardSigmoid),
            Activation::Elu => kernel.run(Elu),
            Activation::Gelu => kernel.run(Gelu),
            Activation::Sigmoid => kernel.run(Sigmoid),
            Activation::Tanh => kernel.run(Tanh),
        }
    }
}

/// Some values.
pub(crate) struct Forward<'a, E> {
    activation: Activation,
    x: &'a [E],
    y: &'a mut [E],
}

impl<E: Element> Kernel for Forward<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.activation.apply_any(On { kernel: self, s });
    }
}

/// Some values' gradient.
pub(crate) struct Backward<'a, E> {
    activation: Activation,
    x: &'a [E],
    dy: &'a [E],
    dx: &'a mut [E],
}

impl<E: Element> Kernel for Backward<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.activation.apply_any(On { kernel: self, s });
    }
}

/// A kernel on an instruction set, for [`Activation::apply`].
struct On<S, K> {
    kernel: K,
    s: S,
}

impl<S: Simd, E: Element> WithActivation for On<S, Forward<'_, E>> {
    #[inline(always)]
    fn run<A: Function>(self, activation: A) {
        let (Forward { x, y, .. }, s) = (self.kernel, self.s);
        assert_eq!(x.len(), y.len(), "activated values");
        for at in (0..y.len()).step_by(S::LANES) {
            let n = (y.len() - at).min(S::LANES);
            // Safety: `at + n` is at most the length of both.
            unsafe {
                let x = E::load_first(s, x.as_ptr().add(at), n);
                E::store_first(s, y.as_mut_ptr().add(at), activation.value(s, x), n);
            }
        }
    }
}

impl<S: Simd, E: Element> WithActivation for On<S, Backward<'_, E>> {
    #[inline(always)]
    fn run<A: Function>(self, activation: A) {
        let (Backward { x, dy, dx, .. }, s) = (self.kernel, self.s);
        assert!(x.len() == dx.len() && dy.len() == dx.len(), "activated values");
        for at in (0..dx.len()).step_by(S::LANES) {
            let n = (dx.len() - at).min(S::LANES);
            // Safety: `at + n` is at most the length of all three.
            unsafe {
                let slope = activation.slope(s, E::load_first(s, x.as_ptr().add(at), n));
                let dy = E::load_first(s, dy.as_ptr().add(at), n);
                E::store_first(s, dx.as_mut_ptr().add(at), s.mul(dy, slope), n);
            }
        }
    }
}

/// Applies an activation to values where they lie, for whoever has just written them: they are still in the nearest cache.
pub(crate) struct InPlace<E> {
    pub activation: Activation,
    pub values: *mut E,
    pub count: usize,
}

impl<E: Element> InPlace<E> {
    /// As [`Simd::enter`] runs it; nothing at all where the activation is linear.
    ///
    /// # Safety
    ///
    /// `count` values lie at `values`, and nobody else touches them meanwhile.
    #[inline(always)]
    pub unsafe fn run<S: Simd>(self, s: S) {
        if self.activation != Activation::Linear {
            s.enter(self);
        }
    }
}

impl<E: Element> Kernel for InPlace<E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.activation.apply(On { kernel: self, s });
    }
}

impl<S: Simd, E: Element> WithActivation for On<S, InPlace<E>> {
    #[inline(always)]
    fn run<A: Function>(self, activation: A) {
        let (InPlace { values, count, .. }, s) = (self.kernel, self.s);
        for first in (0..count).step_by(S::LANES) {
            let n = (count - first).min(S::LANES);
            // Safety: `InPlace::run`'s caller promises the values.
            unsafe {
                let at = values.add(first);
                let x = E::load_first(s, at, n);
                E::store_first(s, at, activation.value(s, x), n);
            }
        }
    }
}

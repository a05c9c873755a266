//! Affine maps of the plane, from a pixel of the result to the place in the source where its value is taken.
//!
//! x runs along a row, y down the rows, both in pixels, with the first pixel's center at 0.

/// `x' = a x + b y + c`, `y' = d x + e y + f`, as `[[a, b, c], [d, e, f]]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Affine(pub(crate) [[f64; 3]; 2]);

impl Affine {
    /// Leaves every place where it is.
    pub(crate) const IDENTITY: Self = Self([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);

    /// Turns by an angle in radians: the picture appears turned counter-clockwise.
    pub(crate) fn rotation(angle: f64) -> Self {
        let (sin, cos) = angle.sin_cos();
        Self([[cos, -sin, 0.0], [sin, cos, 0.0]])
    }

    /// Moves by pixels.
    pub(crate) fn translation(x: f64, y: f64) -> Self {
        Self([[1.0, 0.0, x], [0.0, 1.0, y]])
    }

    /// Scales the axes; above 1 the result shows more of the source, smaller.
    pub(crate) fn scale(x: f64, y: f64) -> Self {
        Self([[x, 0.0, 0.0], [0.0, y, 0.0]])
    }

    /// Shears by an angle in radians, as Keras' generator does: x against y, while y shrinks by the angle's cosine.
    pub(crate) fn shear(angle: f64) -> Self {
        let (sin, cos) = angle.sin_cos();
        Self([[1.0, -sin, 0.0], [0.0, cos, 0.0]])
    }

    /// Mirrors a picture of `size` pixels.
    pub(crate) fn flip(horizontal: bool, vertical: bool, size: usize) -> Self {
        let last = size as f64 - 1.0;
        let axis = |flipped: bool| if flipped { (-1.0, last) } else { (1.0, 0.0) };
        let ((a, c), (e, f)) = (axis(horizontal), axis(vertical));
        Self([[a, 0.0, c], [0.0, e, f]])
    }

    /// First `self`, then `next`, as seen on the picture: a place of the result goes through `next` and then `self`.
    pub(crate) fn then(self, next: Self) -> Self {
        let out = self.0.map(|[a, b, c]| {
            let [x, y] = &next.0;
            [a * x[0] + b * y[0], a * x[1] + b * y[1], a * x[2] + b * y[2] + c]
        });
        Self(out)
    }

    /// The same about the center of a picture of `size` pixels in place of the center of its first pixel.
    pub(crate) fn about_center(self, size: usize) -> Self {
        let center = (size as f64 - 1.0) / 2.0;
        Self::translation(center, center)
            .then(self)
            .then(Self::translation(-center, -center))
    }

    /// Where the pixel (x, y) of the result lies in the source.
    #[inline(always)]
    pub(crate) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let [[a, b, c], [d, e, f]] = self.0;
        (a * x + b * y + c, d * x + e * y + f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_compose_from_the_source_on() {
        let map = Affine::translation(10.0, 0.0).then(Affine::scale(2.0, 3.0));
        assert_eq!(map.at(1.0, 1.0), (12.0, 3.0));
        let flip = Affine::flip(true, false, 5);
        assert_eq!(flip.then(flip), Affine::IDENTITY);
        assert_eq!(flip.at(0.0, 2.0), (4.0, 2.0));
    }

    #[test]
    fn the_center_stays() {
        let map = Affine::rotation(1.0)
            .then(Affine::scale(0.5, 2.0))
            .about_center(8);
        let (x, y) = map.at(3.5, 3.5);
        assert!((x - 3.5).abs() < 1e-12 && (y - 3.5).abs() < 1e-12);
    }
}

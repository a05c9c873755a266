//! Affine maps of the plane, from a pixel of the result to the place in the source where its value is taken.
//!
//! x runs along a row, y down the rows, both in pixels, with the first pixel's center at 0.

use stepladder_model::ImageSize;

use crate::photo::RgbPhoto;

/// Width and height of a picture in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Frame {
    #[cfg(test)]
    pub(crate) fn square(size: usize) -> Self {
        ImageSize::square(size).into()
    }

    pub(crate) fn pixels(self) -> usize {
        self.width * self.height
    }
}

impl From<ImageSize> for Frame {
    fn from(ImageSize { height, width }: ImageSize) -> Self {
        Self { width, height }
    }
}

impl From<&RgbPhoto> for Frame {
    fn from(photo: &RgbPhoto) -> Self {
        Self {
            width: photo.width() as usize,
            height: photo.height() as usize,
        }
    }
}

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

    /// Mirrors a picture of this size.
    pub(crate) fn flip(horizontal: bool, vertical: bool, frame: Frame) -> Self {
        let axis = |flipped: bool, side: usize| match flipped {
            true => (-1.0, side as f64 - 1.0),
            false => (1.0, 0.0),
        };
        let ((a, c), (e, f)) = (axis(horizontal, frame.width), axis(vertical, frame.height));
        Self([[a, 0.0, c], [0.0, e, f]])
    }

    /// The rectangle `[left, top, width, height]`, resized to a picture of this size: their edges fall on each other, not their outer pixels' centers.
    pub(crate) fn crop([left, top, width, height]: [f64; 4], to: Frame) -> Self {
        let (x, y) = (width / to.width as f64, height / to.height as f64);
        Self([[x, 0.0, left + x / 2.0 - 0.5], [0.0, y, top + y / 2.0 - 0.5]])
    }

    /// First `self`, then `next`, as seen on the picture: a place of the result goes through `next` and then `self`.
    pub(crate) fn then(self, next: Self) -> Self {
        let out = self.0.map(|[a, b, c]| {
            let [x, y] = &next.0;
            [a * x[0] + b * y[0], a * x[1] + b * y[1], a * x[2] + b * y[2] + c]
        });
        Self(out)
    }

    /// The same about the center of a picture of this size in place of the center of its first pixel.
    pub(crate) fn about_center(self, frame: Frame) -> Self {
        let center = |side: usize| (side as f64 - 1.0) / 2.0;
        let (x, y) = (center(frame.width), center(frame.height));
        Self::translation(x, y).then(self).then(Self::translation(-x, -y))
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
        let flip = Affine::flip(true, false, Frame::square(5));
        assert_eq!(flip.then(flip), Affine::IDENTITY);
        assert_eq!(flip.at(0.0, 2.0), (4.0, 2.0));
    }

    #[test]
    fn the_center_stays() {
        let map = Affine::rotation(1.0)
            .then(Affine::scale(0.5, 2.0))
            .about_center(Frame::square(8));
        let (x, y) = map.at(3.5, 3.5);
        assert!((x - 3.5).abs() < 1e-12 && (y - 3.5).abs() < 1e-12);
    }

    #[test]
    fn a_crop_s_edges_become_those_of_the_picture() {
        let crop = Affine::crop([2.0, 10.0, 8.0, 2.0], Frame::square(4));
        assert_eq!(crop.at(-0.5, -0.5), (1.5, 9.5));
        assert_eq!(crop.at(3.5, 3.5), (9.5, 11.5));
        let wide = Affine::crop([2.0, 10.0, 8.0, 2.0], Frame { width: 16, height: 4 });
        assert_eq!(wide.at(15.5, 3.5), (9.5, 11.5));
        assert_eq!(
            Affine::crop([0.0, 0.0, 4.0, 4.0], Frame::square(4)),
            Affine::IDENTITY
        );
    }
}

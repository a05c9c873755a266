//! One decoded photo ([`RgbPhoto`]): its pixels, and how they are cut and resampled. `scaling` says what of this is done to a photo on
//! its way to the network.

use std::borrow::Cow;
use std::cell::RefCell;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

/// The longest side that [`RgbPhoto::fit`] keeps, in short sides: a page has no room for the ends of a panorama.
const MAX_ASPECT: u32 = 4;

thread_local! {
    /// Keeps its buffers from photo to photo.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

/// A photo as 8-bit RGB: `height` rows of `width` pixels of 3 bytes, top row first, no padding.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbPhoto {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl std::fmt::Debug for RgbPhoto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RgbPhoto({} x {})", self.width, self.height)
    }
}

impl RgbPhoto {
    /// A photo of `width` by `height` pixels. `None` where a side is 0 or `pixels` does not hold
    /// `width * height * 3` bytes.
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Option<Self> {
        let bytes = (width as usize).checked_mul(height as usize)?.checked_mul(3)?;
        (bytes > 0 && pixels.len() == bytes).then_some(Self {
            width,
            height,
            pixels,
        })
    }

    /// Columns.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The shorter of width and height.
    pub fn short_side(&self) -> u32 {
        self.width.min(self.height)
    }

    /// The longer of width and height.
    pub fn long_side(&self) -> u32 {
        self.width.max(self.height)
    }

    /// The pixels, row by row, as R, G, B bytes.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The pixels, by value.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// Shrinks the photo, for people to look at, so that its short side is `size`, antialiased. A photo that is smaller already
    /// keeps its size. Of a photo longer than four times its short side, the central part is kept.
    pub fn fit(&self, size: u32) -> Cow<'_, Self> {
        self.cover([size, size])
    }

    /// Shrinks the photo so that it just covers a rectangle of this width and height, antialiased. A photo that is too small for it
    /// keeps its size. Of a photo more than four times as long as what covers it, the central part is kept.
    pub(crate) fn cover(&self, sides: [u32; 2]) -> Cow<'_, Self> {
        self.cover_by(sides, FilterType::Bilinear)
    }

    /// [`cover`](Self::cover) with Lanczos' filter (3 lobes), for [`Scaling::Lanczos`](crate::Scaling::Lanczos).
    pub(crate) fn cover_by_lanczos(&self, sides: [u32; 2]) -> Cow<'_, Self> {
        self.cover_by(sides, FilterType::Lanczos3)
    }

    fn cover_by(&self, sides: [u32; 2], filter: FilterType) -> Cow<'_, Self> {
        let to = sides.map(|side| side.max(1));
        let [widest, tallest] = self.sides_about(to).map(|side| side.saturating_mul(MAX_ASPECT));
        let (keep_w, keep_h) = (self.width.min(widest), self.height.min(tallest));
        // The side that is the first to be as long as the rectangle's when the photo shrinks.
        let (from, to) = match is_wider([keep_w, keep_h], to) {
            false => (keep_w, to[0]),
            true => (keep_h, to[1]),
        };
        if from <= to {
            if (keep_w, keep_h) == (self.width, self.height) {
                return Cow::Borrowed(self);
            }
            return Cow::Owned(self.center(keep_w, keep_h));
        }
        let scaled = |side: u32| in_proportion(side, from, to);
        let (left, top) = ((self.width - keep_w) / 2, (self.height - keep_h) / 2);
        Cow::Owned(self.resample(
            [left, top, keep_w, keep_h],
            [scaled(keep_w), scaled(keep_h)],
            filter,
        ))
    }

    /// The largest central part with the shape of `sides` (width and height), at this size, resampled bilinearly; where it is shrunk,
    /// antialiased: with a triangle as wide as two pixels of the result, as Pillow and torchvision do it.
    pub fn crop(&self, sides: [u32; 2]) -> Cow<'_, Self> {
        let to = sides.map(|side| side.max(1));
        let [width, height] = self.part(to);
        if [self.width, self.height] == to {
            Cow::Borrowed(self)
        } else if [width, height] == to {
            Cow::Owned(self.center(width, height))
        } else {
            let (left, top) = ((self.width - width) / 2, (self.height - height) / 2);
            Cow::Owned(self.resample([left, top, width, height], to, FilterType::Bilinear))
        }
    }

    /// Width and height of the largest part with the shape of `sides`, rounded up: the part of a part is itself.
    pub(crate) fn part(&self, sides: [u32; 2]) -> [u32; 2] {
        let [width, height] = self.sides_about(sides);
        [self.width.min(width), self.height.min(height)]
    }

    /// The width that goes with the photo's height in the shape of `sides`, and the height that goes with its width, rounded up.
    pub(crate) fn sides_about(&self, [width, height]: [u32; 2]) -> [u32; 2] {
        let beside = |side: u32, to: u32, from: u32| {
            let beside = (u64::from(side) * u64::from(to)).div_ceil(u64::from(from));
            u32::try_from(beside).unwrap_or(u32::MAX)
        };
        [
            beside(self.height, width, height),
            beside(self.width, height, width),
        ]
    }

    /// Width and height in these proportions, as large as fits into `sides`, at least a pixel.
    pub(crate) fn sides_within(&self, sides: [u32; 2]) -> [u32; 2] {
        let own = [self.width, self.height];
        let (from, to) = match is_wider(own, sides) {
            true => (self.width, sides[0]),
            false => (self.height, sides[1]),
        };
        own.map(|side| in_proportion(side, from, to))
    }

    /// The whole photo in the middle of a picture of this width and height that is gray beside it, scaled so that it fills one of
    /// them. Where the rest is odd, the spare pixel is at the right and bottom.
    pub(crate) fn letterbox(&self, sides: [u32; 2], gray: u8) -> Cow<'_, Self> {
        let to = sides.map(|side| side.max(1));
        let [width, height] = self.sides_within(to);
        if [width, height] == to {
            return self.stretch(to);
        }
        let photo = self.stretch([width, height]);
        let (left, top) = ((to[0] - width) as usize / 2, (to[1] - height) as usize / 2);
        let mut pixels = vec![gray; to[0] as usize * to[1] as usize * 3];
        let rows = pixels.chunks_exact_mut(to[0] as usize * 3).skip(top);
        for (row, from) in rows.zip(photo.pixels.chunks_exact(width as usize * 3)) {
            row[left * 3..][..from.len()].copy_from_slice(from);
        }
        Cow::Owned(Self {
            width: to[0],
            height: to[1],
            pixels,
        })
    }

    /// The whole photo at this width and height, whatever its shape, antialiased.
    pub(crate) fn stretch(&self, sides: [u32; 2]) -> Cow<'_, Self> {
        match [self.width, self.height] == sides {
            true => Cow::Borrowed(self),
            false => Cow::Owned(self.squeeze(sides[0], sides[1])),
        }
    }

    /// The whole photo as `width` by `height` pixels, whatever its shape, antialiased.
    pub fn squeeze(&self, width: u32, height: u32) -> Self {
        let whole = [0, 0, self.width, self.height];
        self.resample(whole, [width.max(1), height.max(1)], FilterType::Bilinear)
    }

    /// Resizes the rectangle `[left, top, width, height]`, which lies inside the photo and may begin between two pixels, to the width and height `to` in `resized`:
    /// bilinearly, antialiased where it shrinks. No pixel beyond those that the rectangle touches is seen. `part` is memory for them.
    pub(crate) fn resize_part(
        &self,
        [left, top, width, height]: [f64; 4],
        to: [u32; 2],
        part: &mut Vec<u8>,
        resized: &mut Vec<u8>,
    ) {
        let (x, y) = (left.floor() as u32, top.floor() as u32);
        let right = ((left + width).ceil() as u32).min(self.width);
        let bottom = ((top + height).ceil() as u32).min(self.height);
        self.copy_part([x, y, right - x, bottom - y], part);
        resized.resize(to[0] as usize * to[1] as usize * 3, 0);
        let crop = [left - f64::from(x), top - f64::from(y), width, height];
        let bilinear = FilterType::Bilinear;
        resize([right - x, bottom - y], part, crop, to, resized, bilinear);
    }

    /// The pixels of a rectangle over what `part` held.
    fn copy_part(&self, [left, top, width, height]: [u32; 4], part: &mut Vec<u8>) {
        let (stride, row) = (self.width as usize * 3, width as usize * 3);
        part.clear();
        for line in self
            .pixels
            .chunks_exact(stride)
            .skip(top as usize)
            .take(height as usize)
        {
            part.extend_from_slice(&line[left as usize * 3..][..row]);
        }
    }

    /// The central `width` by `height` pixels; where the rest is odd, the spare pixel is cut at the right and bottom.
    fn center(&self, width: u32, height: u32) -> Self {
        let (left, top) = (
            (self.width - width) as usize / 2,
            (self.height - height) as usize / 2,
        );
        let (stride, row) = (self.width as usize * 3, width as usize * 3);
        let mut pixels = Vec::with_capacity(row * height as usize);
        for line in self.pixels.chunks_exact(stride).skip(top).take(height as usize) {
            pixels.extend_from_slice(&line[left * 3..left * 3 + row]);
        }
        Self {
            width,
            height,
            pixels,
        }
    }

    /// Resamples the rectangle `[left, top, width, height]` to `[width, height]`.
    fn resample(
        &self,
        [left, top, width, height]: [u32; 4],
        [to_w, to_h]: [u32; 2],
        filter: FilterType,
    ) -> Self {
        let mut pixels = vec![0; to_w as usize * to_h as usize * 3];
        let crop = [left, top, width, height].map(f64::from);
        let from = [self.width, self.height];
        resize(from, &self.pixels, crop, [to_w, to_h], &mut pixels, filter);
        Self {
            width: to_w,
            height: to_h,
            pixels,
        }
    }
}

/// Whether a picture of this width and height is wider in proportion than another.
fn is_wider(one: [u32; 2], other: [u32; 2]) -> bool {
    u64::from(one[0]) * u64::from(other[1]) > u64::from(other[0]) * u64::from(one[1])
}

/// What `side` becomes where `from` becomes `to`, rounded, at least a pixel.
fn in_proportion(side: u32, from: u32, to: u32) -> u32 {
    let scaled = (u64::from(side) * u64::from(to) + u64::from(from) / 2) / u64::from(from);
    u32::try_from(scaled).unwrap_or(u32::MAX).max(1)
}

/// Resamples the rectangle `crop` of a picture `from` to the size `to`.
fn resize(
    from: [u32; 2],
    pixels: &[u8],
    [left, top, width, height]: [f64; 4],
    to: [u32; 2],
    resized: &mut [u8],
    filter: FilterType,
) {
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(filter))
        .crop(left, top, width, height);
    // They can fail only for sizes that do not fit together, which the callers rule out.
    let source = TypedImageRef::<U8x3>::from_buffer(from[0], from[1], pixels)
        .expect("a photo holds width * height * 3 bytes");
    let mut target =
        TypedImage::<U8x3>::from_buffer(to[0], to[1], resized).expect("the buffer was made for the target");
    // Typed, so that the resizer is compiled for this kind of pixel alone and not for all thirteen.
    RESIZER.with_borrow_mut(|resizer| {
        resizer
            .resize_typed(&source, &mut target, &options)
            .expect("the crop lies inside the photo");
    });
}

/// 0..=255 to 0..=1 by division, so that 255 becomes exactly 1.
pub(crate) fn to_unit(value: u8) -> f32 {
    f32::from(value) / 255.0
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A photo whose red is the column, and green the row.
    pub(crate) fn ramp(width: u32, height: u32) -> RgbPhoto {
        let pixels = (0..height)
            .flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 7]))
            .collect();
        RgbPhoto::new(width, height, pixels).expect("sizes agree")
    }

    #[test]
    fn sizes_must_agree() {
        assert!(RgbPhoto::new(2, 2, vec![0; 11]).is_none());
        assert!(RgbPhoto::new(0, 2, vec![]).is_none());
        assert!(RgbPhoto::new(u32::MAX, u32::MAX, vec![]).is_none());
    }

    #[test]
    fn fit_shrinks_and_never_enlarges() {
        assert_eq!(
            (ramp(100, 50).fit(25).width(), ramp(100, 50).fit(25).height()),
            (50, 25)
        );
        let small = ramp(20, 10);
        assert_eq!(small.fit(64).as_ref(), &small);
        // A strip keeps its central part only.
        let strip = ramp(200, 10).fit(64).into_owned();
        assert_eq!((strip.width(), strip.height()), (40, 10));
        assert_eq!(strip.pixels()[0], 80);
    }

    #[test]
    fn square_is_the_exact_center_where_the_short_side_fits() {
        let square = ramp(9, 4).crop([4, 4]).into_owned();
        assert_eq!((square.width(), square.height()), (4, 4));
        assert_eq!(&square.pixels()[..3], &[2, 0, 7]);
        assert_eq!(&square.pixels()[square.pixels().len() - 3..], &[5, 3, 7]);
    }

    #[test]
    fn square_enlarges_small_photos_and_shrinks_large_ones() {
        assert_eq!(ramp(1, 1).crop([8, 8]).pixels(), [0, 0, 7].repeat(64));
        assert_eq!(ramp(3, 2).crop([8, 8]).short_side(), 8);
        assert_eq!(ramp(90, 60).crop([8, 8]).width(), 8);
    }

    #[test]
    fn shrinking_to_half_is_a_triangle_of_four_pixels() {
        // Weights 1, 3, 3, 1 of the pixels about the middle; those beyond the edge have none.
        let row = [0_u8, 80, 160, 240];
        let pixels = [row; 4].concat().into_iter().flat_map(|v| [v; 3]).collect();
        let photo = RgbPhoto::new(4, 4, pixels).expect("sizes agree");
        let shrunk = photo.crop([2, 2]).into_owned();
        // (3 * 0 + 3 * 80 + 160) / 7 and (80 + 3 * 160 + 3 * 240) / 7
        assert_eq!(shrunk.pixels()[..6], [57, 57, 57, 183, 183, 183]);
    }
}

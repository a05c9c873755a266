//! Where the pixels of a tile are: a walk over the grid gives them tile by tile, and [`Locate`] finds what each tap reads.

use std::ops::Range;

use crate::simd::{Element, Kernel, Simd};

use super::grid::{Grid, Tap};

/// The most pixels in a tile, rounded up to whole vectors of their positions.
pub(super) const MOST_PIXELS: usize = 16;

/// Pixels that are looked for on an instruction set: a tile's, rounded up to whole vectors of their positions.
#[inline(always)]
pub(super) const fn located<S: Simd>() -> usize {
    S::TILE_PIXELS.next_multiple_of(8)
}

/// Where the pixels of a tile are.
#[derive(Clone, Copy)]
pub(super) struct Places {
    /// Offset of the input pixel under tap (0, 0), which may lie in the padding.
    pub input: [isize; MOST_PIXELS],
    /// Row of that pixel.
    pub y: [i32; MOST_PIXELS],
    /// Column of that pixel.
    pub x: [i32; MOST_PIXELS],
    /// Offset of the output pixel.
    pub output: [usize; MOST_PIXELS],
    /// Pixels that exist; the others are computed from zeros and dropped.
    pub count: usize,
    /// The least and the greatest row.
    pub rows: [i32; 2],
    /// The least and the greatest column.
    pub columns: [i32; 2],
    /// Distance from each pixel's input to the next one's, where all are equal.
    pub distance: Option<usize>,
}

impl Places {
    /// No pixels.
    #[inline(always)]
    pub fn new() -> Places {
        Places {
            input: [0; MOST_PIXELS],
            // Far outside the input under any tap: places that are never set read zeros.
            y: [i32::MIN / 2; MOST_PIXELS],
            x: [0; MOST_PIXELS],
            output: [0; MOST_PIXELS],
            count: 0,
            rows: [i32::MAX, i32::MIN],
            columns: [i32::MAX, i32::MIN],
            distance: None,
        }
    }
}

/// Where the input pixels of a tile are under one tap.
#[derive(Clone, Copy)]
pub(super) struct Inputs<E>(pub [*const E; MOST_PIXELS]);

impl<E> Inputs<E> {
    #[inline(always)]
    pub fn cast<T, const P: usize>(&self) -> [*const T; P] {
        let mut pixels = [std::ptr::null(); P];
        for (to, from) in pixels.iter_mut().zip(&self.0) {
            *to = from.cast();
        }
        pixels
    }
}

/// Finds where the input pixels are under each tap.
pub(super) struct Locate<'a, E> {
    pub input: *const E,
    /// Height and width of the input, beyond which all is zero.
    pub size: [u32; 2],
    /// Zeros for as many channels as an input pixel has.
    pub zeros: *const E,
    pub taps: &'a [Tap],
    /// Taps that are one, of which only the first is looked for.
    pub run: usize,
    pub places: &'a Places,
    /// Whether every pixel of the tile exists and reads no padding.
    pub interior: bool,
    pub to: &'a mut [Inputs<E>],
}

impl<E: Element> Kernel for Locate<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let places = self.places;
        for (to, tap) in self.to.iter_mut().zip(self.taps.iter().step_by(self.run)) {
            for p in 0..located::<S>() {
                to.0[p] = self.input.wrapping_offset(places.input[p] + tap.offset);
            }
            if !self.interior {
                for p in 0..located::<S>() {
                    let y = (places.y[p] + tap.at[0]) as u32;
                    let x = (places.x[p] + tap.at[1]) as u32;
                    let inside = (y < self.size[0]) & (x < self.size[1]);
                    to.0[p] = if inside { to.0[p] } else { self.zeros };
                }
            }
        }
    }
}

/// Walks over a grid's pixels in order, a tile at a time.
pub(super) struct Walk<'a> {
    grid: &'a Grid,
    /// Rows and columns from which all taps are inside the input.
    inside: [Range<i32>; 2],
}

/// The next pixel, and where it is.
pub(super) struct At {
    pub pixel: usize,
    photo: usize,
    row: usize,
    column: usize,
}

impl<'a> Walk<'a> {
    #[inline(always)]
    pub fn new(grid: &'a Grid) -> Walk<'a> {
        let inside = [0, 1].map(|axis| {
            let least = grid.taps.iter().map(|tap| tap.at[axis]).min().unwrap_or(0);
            let most = grid.taps.iter().map(|tap| tap.at[axis]).max().unwrap_or(0);
            -least..grid.input[axis] as i32 - most
        });
        Walk { grid, inside }
    }

    #[inline(always)]
    pub fn start(&self, pixel: usize) -> At {
        let [height, width] = self.grid.size;
        At {
            pixel,
            photo: pixel / (height * width),
            row: pixel / width % height,
            column: pixel % width,
        }
    }

    /// Sets `places`, which are [`Places::new`], to those of the next `count` pixels, in place: a copy of what was just stored in smaller
    /// pieces would wait until the stores before it are done.
    #[inline(always)]
    pub fn next<S: Simd>(&self, at: &mut At, count: usize, places: &mut Places) {
        let grid = self.grid;
        let input_step = grid.step[1] * grid.input_stride[2];
        let (mut next, mut expected, mut is_even) = (0, None, true);
        while next < count {
            // All pixels up to the end of the row, or of the tile.
            let run = (count - next).min(grid.size[1] - at.column);
            let y = (at.row * grid.step[0]) as i32;
            let x = (at.column * grid.step[1]) as i32;
            let input = at.photo * grid.input_stride[0]
                + at.row * grid.step[0] * grid.input_stride[1]
                + at.column * grid.step[1] * grid.input_stride[2];
            let output = grid.output_origin
                + at.photo * grid.output_stride[0]
                + at.row * grid.output_stride[1]
                + at.column * grid.output_stride[2];
            if run == count {
                // All in one row, as most tiles are: loops of constant length become vectors.
                for i in 0..located::<S>() {
                    places.y[i] = if i < count { y } else { places.y[i] };
                    places.x[i] = x + (i * grid.step[1]) as i32;
                    places.input[i] = (input + i * input_step) as isize;
                    places.output[i] = output + i * grid.output_stride[2];
                }
            } else {
                for i in 0..run {
                    places.y[next + i] = y;
                    places.x[next + i] = x + (i * grid.step[1]) as i32;
                    places.input[next + i] = (input + i * input_step) as isize;
                    places.output[next + i] = output + i * grid.output_stride[2];
                }
            }
            let last = x + ((run - 1) * grid.step[1]) as i32;
            places.rows = [places.rows[0].min(y), places.rows[1].max(y)];
            places.columns = [places.columns[0].min(x), places.columns[1].max(last)];
            is_even &= expected.is_none_or(|expected| input == expected);
            expected = Some(input + run * input_step);
            next += run;
            at.column += run;
            if at.column == grid.size[1] {
                at.column = 0;
                at.row += 1;
                if at.row == grid.size[0] {
                    at.row = 0;
                    at.photo += 1;
                }
            }
        }
        at.pixel += count;
        places.count = count;
        places.distance = is_even.then_some(input_step);
    }

    /// Whether no tap of any pixel touches the padding.
    #[inline(always)]
    pub fn is_interior(&self, places: &Places) -> bool {
        let contains = |axis: usize, [least, most]: [i32; 2]| {
            self.inside[axis].contains(&least) && self.inside[axis].contains(&most)
        };
        contains(0, places.rows) && contains(1, places.columns)
    }
}

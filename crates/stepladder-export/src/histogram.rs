//! Counts of f32 values by their sign, exponent and first seven bits behind the point: fine enough for a range, in a fixed
//! amount of memory, and the same in whatever order values come.

/// One count for each upper half of an f32.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
}

/// The upper half of infinity; what lies beyond is no number.
const INFINITY: usize = 0x7f80;

/// The sign bit of the upper half.
const NEGATIVE: usize = 0x8000;

impl Histogram {
    pub fn new() -> Histogram {
        Histogram {
            counts: vec![0; 1 << 16],
        }
    }

    pub fn extend(&mut self, values: &[f32]) {
        for value in values {
            self.counts[(value.to_bits() >> 16) as usize] += 1;
        }
    }

    /// The range that leaves out a share of `outside` of the values, rounded down to whole values, at each end. Without
    /// finite values, it is empty: `[0, 0]`.
    pub fn range(&self, outside: f64) -> [f32; 2] {
        let finite = |sign: usize| (0..INFINITY).map(move |magnitude| sign | magnitude);
        // From the least to the greatest.
        let ascending: Vec<usize> = finite(NEGATIVE).rev().chain(finite(0)).collect();
        let total: u64 = ascending.iter().map(|&bucket| self.counts[bucket]).sum();
        let left_out = (total as f64 * outside) as u64;
        let lowest = self.first(ascending.iter(), left_out);
        let highest = self.first(ascending.iter().rev(), left_out);
        let is_negative = |bucket: usize| bucket & NEGATIVE != 0;
        [
            lowest.map_or(0.0, |bucket| edge(bucket, is_negative(bucket))),
            highest.map_or(0.0, |bucket| edge(bucket, !is_negative(bucket))),
        ]
    }

    /// The first of `buckets` with more than `left_out` values up to it.
    fn first<'a>(&self, mut buckets: impl Iterator<Item = &'a usize>, left_out: u64) -> Option<usize> {
        let mut seen = 0;
        let found = buckets.find(|&&bucket| {
            seen += self.counts[bucket];
            seen > left_out
        });
        found.copied()
    }
}

/// The end of a bucket that is farther from zero, or nearer to it. Zero's own is zero at both ends.
fn edge(bucket: usize, farther: bool) -> f32 {
    if bucket & !NEGATIVE == 0 {
        return 0.0;
    }
    let rest = if farther { 0xffff } else { 0 };
    f32::from_bits((bucket as u32) << 16 | rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_share_of_the_values_stays_outside_at_each_end() {
        let mut histogram = Histogram::new();
        let values: Vec<f32> = (-500..1500).map(|value| value as f32).collect();
        histogram.extend(&values);
        let near = |[low, high]: [f32; 2], expected: [f32; 2]| {
            assert!((low / expected[0] - 1.0).abs() < 0.01, "{low}");
            assert!((high / expected[1] - 1.0).abs() < 0.01, "{high}");
        };
        near(histogram.range(0.0), [-500.0, 1499.0]);
        near(histogram.range(0.1), [-300.0, 1300.0]);
    }

    #[test]
    fn what_is_no_number_counts_for_nothing() {
        let mut histogram = Histogram::new();
        histogram.extend(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
        assert_eq!(histogram.range(0.0), [0.0, 0.0]);
        histogram.extend(&[0.0, -0.0, 2.0]);
        let [low, high] = histogram.range(0.0);
        assert_eq!(low, 0.0);
        assert!((2.0..2.02).contains(&high));
    }

    proptest! {
        #[test]
        fn without_anything_outside_the_range_holds_every_value(values in prop::collection::vec(-1e30_f32..1e30, 1..200)) {
            let mut histogram = Histogram::new();
            histogram.extend(&values);
            let [low, high] = histogram.range(0.0);
            for value in values {
                prop_assert!(low <= value && value <= high, "{value} in {low} to {high}");
            }
        }
    }
}

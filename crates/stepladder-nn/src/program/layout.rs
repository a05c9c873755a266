//! Where in one block of memory each value lies: values that are not needed at the same time share their place.

/// When a value is needed, in steps of its program, and how large it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    pub words: usize,
    /// The step that writes it first.
    pub birth: usize,
    /// The last step that reads it.
    pub death: usize,
}

/// Offsets are multiples of this, in words: a cache line.
const ALIGNMENT: usize = 16;

/// The offset of each value in words, and the length of the block. The larger a value, the earlier it is placed, each in the
/// smallest gap that it fits (Pisarchyk and Lee, Efficient Memory Management for Deep Neural Net Inference, 2020).
pub(crate) fn lay_out(lives: &[Life]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..lives.len()).filter(|&at| lives[at].words > 0).collect();
    order.sort_by_key(|&at| (std::cmp::Reverse(lives[at].words), at));
    let mut offsets: Vec<usize> = vec![0; lives.len()];
    // Those that have a place, by offset.
    let mut placed: Vec<usize> = Vec::with_capacity(order.len());
    let mut length = 0;
    for at in order {
        let life = lives[at];
        let words = life.words.next_multiple_of(ALIGNMENT);
        let mut end: usize = 0;
        let mut best: Option<(usize, usize)> = None;
        for &other in &placed {
            let there = lives[other];
            if there.death < life.birth || life.death < there.birth {
                continue;
            }
            let gap = offsets[other].saturating_sub(end);
            if gap >= words && best.is_none_or(|(smallest, _)| gap < smallest) {
                best = Some((gap, end));
            }
            end = end.max(offsets[other] + there.words.next_multiple_of(ALIGNMENT));
        }
        let offset = best.map_or(end, |(_, start)| start);
        offsets[at] = offset;
        length = length.max(offset + words);
        let position = placed.partition_point(|&other| offsets[other] <= offset);
        placed.insert(position, at);
    }
    (offsets, length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lives() -> impl Strategy<Value = Vec<Life>> {
        let life = (0..300_usize, 0..30_usize, 0..12_usize).prop_map(|(words, birth, length)| Life {
            words,
            birth,
            death: birth + length,
        });
        prop::collection::vec(life, 0..60)
    }

    proptest! {
        #[test]
        fn values_that_live_together_lie_apart(lives in lives()) {
            let (offsets, length) = lay_out(&lives);
            for (at, (a, from)) in lives.iter().zip(&offsets).enumerate() {
                prop_assert!(from % ALIGNMENT == 0 && from + a.words <= length);
                for (b, to) in lives.iter().zip(&offsets).take(at) {
                    let meet = a.birth <= b.death && b.birth <= a.death && a.words > 0 && b.words > 0;
                    prop_assert!(!meet || from + a.words <= *to || to + b.words <= *from);
                }
            }
        }
    }

    #[test]
    fn values_one_after_the_other_share_their_place() {
        let life = |birth, death| Life {
            words: 160,
            birth,
            death,
        };
        let (offsets, length) = lay_out(&[life(0, 1), life(1, 2), life(2, 3), life(3, 4)]);
        assert_eq!(length, 320);
        assert_eq!(offsets, [0, 160, 0, 160]);
    }
}

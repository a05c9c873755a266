//! The nearest of a list of names, for "did you mean".

/// The candidate that `typed` most likely stands for, if one is near enough to be a slip of the hand.
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A hostile name may be long; no name of ours is, and the distance costs the product of the lengths.
    if typed.len() > 64 {
        return None;
    }
    let plain = |name: &str| name.to_lowercase().replace(['_', '-'], "");
    let typed = plain(typed);
    let ranked = candidates
        .into_iter()
        .filter(|name| name.len() <= 64)
        .map(|name| {
            let name_plain = plain(name);
            // An abbreviation is as near as one slip: `kernel` for `kernel_size`.
            let abbreviated = typed.len() >= 3 && name_plain.starts_with(&typed);
            let distance = distance(&typed, &name_plain);
            (if abbreviated { distance.min(1) } else { distance }, name)
        });
    let (distance, name) = ranked.min()?;
    (distance <= typed.chars().count().max(3) / 3).then_some(name)
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for i in 1..=from.len() {
        let mut next = vec![i];
        for j in 1..=to.len() {
            let replaced = row[j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = replaced.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognized_and_strangers_are_not() {
        let keys = ["filters", "kernel_size", "strides", "padding"];
        assert_eq!(nearest("filter", keys), Some("filters"));
        assert_eq!(nearest("kernelsize", keys), Some("kernel_size"));
        assert_eq!(nearest("kernel", keys), Some("kernel_size"));
        assert_eq!(nearest("stirdes", keys), Some("strides"));
        assert_eq!(nearest("Strides", keys), Some("strides"));
        assert_eq!(nearest("momentum", keys), None);
        assert_eq!(nearest("", keys), None);
    }

    #[test]
    fn the_same_word_in_other_letters_is_nearest() {
        assert_eq!(nearest("Relu", ["elu", "relu", "gelu"]), Some("relu"));
    }

    #[test]
    fn swapped_neighbours_count_once() {
        assert_eq!(distance("stirdes", "strides"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}

//! Labels that are likely wrong, by confident learning: Northcutt, Jiang and Chuang 2021, Confident Learning: Estimating
//! Uncertainty in Dataset Labels (<https://arxiv.org/abs/1911.00068>).
//!
//! A class's threshold is the mean probability that the model gives to it among the photos with its label. A photo whose
//! probability of another class reaches that class's threshold, and is its greatest, is doubtful. The paper takes probabilities from
//! outside the training photos; those of training photos are too kind to their labels, so that of them fewer are found.

/// For the rows of `probabilities` with their `labels`: the doubtful ones, those first where the answer is furthest ahead of the label.
pub(crate) fn doubtful(classes: usize, labels: &[u32], probabilities: &[&[f32]]) -> Vec<usize> {
    let mut sums = vec![(0.0_f64, 0_usize); classes];
    for (&label, row) in labels.iter().zip(probabilities) {
        let sum = &mut sums[label as usize];
        *sum = (sum.0 + f64::from(row[label as usize]), sum.1 + 1);
    }
    let threshold = |class: usize| sums[class].0 / sums[class].1.max(1) as f64;
    let mut found: Vec<(usize, f32)> = Vec::new();
    for (row, (&label, probabilities)) in labels.iter().zip(probabilities).enumerate() {
        let answer = stepladder_nn::argmax(probabilities);
        let is_confident = sums[answer].1 > 0 && f64::from(probabilities[answer]) >= threshold(answer);
        if answer != label as usize && is_confident {
            found.push((row, probabilities[answer] - probabilities[label as usize]));
        }
    }
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found.into_iter().map(|(row, _)| row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_surer_of_another_class_than_its_photos_are_is_doubtful() {
        let rows: [&[f32]; 5] = [&[0.9, 0.1], &[0.8, 0.2], &[0.1, 0.9], &[0.95, 0.05], &[0.4, 0.6]];
        // Thresholds: class 0 has (0.9 + 0.8 + 0.4) / 3 = 0.7; class 1 has (0.9 + 0.05) / 2 = 0.475.
        assert_eq!(doubtful(2, &[0, 0, 1, 1, 0], &rows), [3, 4]);
        assert!(doubtful(2, &[], &[]).is_empty());
    }
}

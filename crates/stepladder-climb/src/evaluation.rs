//! From runs to figures and comparisons: what each rung reaches, what its change was worth, which is best, and which two are
//! hardest to tell apart.

use crate::record::{Against, Best, ClimbRecord, Closest, Figures, RunOutcome, RungRecord, Share};
use std::collections::BTreeMap;
use stepladder_comparison::{
    Answers, Comparison, Verdict, compare, photos_to_tell_apart, wilson_interval_of_share,
};
use stepladder_train::{Summary, TestAnswers};

/// Decides the draws of the bootstrap. Fixed, so that the same runs always give the same intervals.
const BOOTSTRAP_SEED: u64 = 0;

/// What the runs that are done made of the test photos, by rung and seed.
pub(crate) type AnswersByRun = BTreeMap<(String, u64), TestAnswers>;

/// Means over the runs that are done.
pub(crate) fn figures(rung: &RungRecord) -> Option<Figures> {
    let done: Vec<&Summary> = rung
        .runs
        .iter()
        .filter(|run| run.outcome == RunOutcome::Done)
        .filter_map(|run| run.summary.as_ref())
        .collect();
    let first = done.first()?;
    let mean = |value: &dyn Fn(&Summary) -> f64| {
        done.iter().map(|summary| value(summary)).sum::<f64>() / done.len() as f64
    };
    let share = |value: fn(&Summary) -> Option<f64>, photos: usize| {
        let values: Option<Vec<f64>> = done.iter().map(|summary| value(summary)).collect();
        let values = values?;
        let accuracy = values.iter().sum::<f64>() / values.len() as f64;
        Some(Share {
            accuracy,
            interval: wilson_interval_of_share(accuracy, photos),
            photos,
        })
    };
    Some(Figures {
        seeds: done.len(),
        test: share(|summary| summary.test_accuracy, first.test_images),
        validation: share(|summary| summary.val_accuracy, first.val_images),
        train: share(|summary| summary.train_accuracy, first.train_images),
        epochs: mean(&|summary| summary.epochs as f64),
        seconds: mean(&|summary| summary.seconds),
    })
}

/// The rung against the nearest ancestor that has figures; `None` if no ancestor has.
pub(crate) fn against(climb: &ClimbRecord, rung: &RungRecord, answers: &AnswersByRun) -> Option<Against> {
    rung.figures.as_ref()?;
    let known = |name: &String| climb.rung(name).filter(|other| other.figures.is_some());
    let (distance, other) = rung
        .ancestors
        .iter()
        .enumerate()
        .find_map(|(distance, name)| Some((distance, known(name)?)))?;
    let compared = compared(other, rung, answers);
    let unsettled = [rung, other].map(|rung| Some(format!("{} {}", rung.rung, rung.unsettled()?.words())));
    let unsettled: Vec<String> = unsettled.into_iter().flatten().collect();
    let between = rung.ancestor_changes.iter().take(distance).rev();
    let changes: Vec<&str> = between.chain([&rung.change]).map(String::as_str).collect();
    Some(Against {
        rung: other.rung.clone(),
        parent: distance == 0,
        change: changes.join("; "),
        reason: compared.as_ref().err().map(ToString::to_string),
        comparison: compared.ok(),
        unsettled: (!unsettled.is_empty()).then(|| unsettled.join(", ")),
    })
}

/// The second against the first, over the seeds that both have.
fn compared(
    first: &RungRecord,
    second: &RungRecord,
    answers: &AnswersByRun,
) -> Result<Comparison, &'static str> {
    let settled = first.unsettled().is_none() && second.unsettled().is_none();
    let (first, second) = paired(first, second, answers)?;
    let compared = compare(&first, &second, BOOTSTRAP_SEED);
    Ok(match settled {
        true => compared,
        false => compared.without_verdict(),
    })
}

/// What both made of the same photos, with the seeds that both have.
fn paired(
    first: &RungRecord,
    second: &RungRecord,
    answers: &AnswersByRun,
) -> Result<(Answers, Answers), &'static str> {
    let (mut ones, mut others) = (Answers::default(), Answers::default());
    let mut reference: Option<&TestAnswers> = None;
    for run in &first.runs {
        let of = |rung: &RungRecord| answers.get(&(rung.rung.clone(), run.seed));
        let (Some(one), Some(other)) = (of(first), of(second)) else {
            continue;
        };
        let reference = *reference.get_or_insert(one);
        if !one.same_photos(reference) || !other.same_photos(reference) {
            return Err("their test photos differ");
        }
        ones.seeds.push(one.right.clone());
        others.seeds.push(other.right.clone());
    }
    if ones.photos() == 0 {
        return Err("there is no seed with which both were tested");
    }
    Ok((ones, others))
}

/// The best rung, and those that are not told apart from it.
pub(crate) fn best(climb: &ClimbRecord, answers: &AnswersByRun) -> Option<Best> {
    let tested = tested(climb);
    // The first of equals, which is the simpler one.
    let (best, share) = tested
        .iter()
        .copied()
        .reduce(|best, next| {
            if next.1.accuracy > best.1.accuracy {
                next
            } else {
                best
            }
        })
        .filter(|_| tested.len() > 1)?;
    let others = tested.iter().filter(|(rung, _)| rung.rung != best.rung);
    let not_told_apart = others.filter(|(rung, _)| {
        compared(rung, best, answers).is_ok_and(|comparison| match comparison.verdict {
            Verdict::WithinNoise | Verdict::Withheld => true,
            Verdict::Real | Verdict::Worse => false,
        })
    });
    Some(Best {
        unsettled: tested.iter().any(|(rung, _)| rung.unsettled().is_some()),
        rung: best.rung.clone(),
        test: share,
        not_told_apart: not_told_apart.map(|(rung, _)| rung.rung.clone()).collect(),
    })
}

/// The two rungs that are closest without being equal, the first such pair of equal ones.
pub(crate) fn closest(climb: &ClimbRecord, answers: &AnswersByRun) -> Option<Closest> {
    let tested = tested(climb);
    let mut closest: Option<Closest> = None;
    for (index, &(first, _)) in tested.iter().enumerate() {
        for &(second, _) in &tested[index + 1..] {
            // How many photos would tell them apart is no question before they have come to their ends.
            if first.unsettled().or(second.unsettled()).is_some() {
                continue;
            }
            let Ok((ones, others)) = paired(first, second, answers) else {
                continue;
            };
            let difference = others.accuracy() - ones.accuracy();
            let discordant = ones.discordant(&others);
            let Some(photos_to_tell_apart) = photos_to_tell_apart(difference, discordant) else {
                continue;
            };
            if closest
                .as_ref()
                .is_none_or(|closest| difference.abs() < closest.difference)
            {
                let (lesser, better) = if difference > 0.0 {
                    (first, second)
                } else {
                    (second, first)
                };
                closest = Some(Closest {
                    lesser: lesser.rung.clone(),
                    better: better.rung.clone(),
                    difference: difference.abs(),
                    discordant,
                    photos_to_tell_apart,
                    photos: ones.photos(),
                });
            }
        }
    }
    closest
}

/// Rungs with a test accuracy.
fn tested(climb: &ClimbRecord) -> Vec<(&RungRecord, Share)> {
    let rungs = climb.rungs.iter();
    rungs
        .filter_map(|rung| Some((rung, rung.figures.as_ref()?.test?)))
        .collect()
}

//! Photos: the worst mistakes, the least sure answers, where the network looks, doubtful labels, augmentation.

use super::accuracy::percent;
use crate::facts::{Answer, LookAlikes, PhotoShown, RunReport};
use maud::{Markup, html};
use stepladder_page::element::{gallery, thumbnail};

/// Id, heading and content of each section that has something to show.
pub(super) fn sections(report: &RunReport) -> Vec<(&'static str, &'static str, Markup)> {
    let mut sections = Vec::new();
    if !report.mistakes.is_empty() {
        let intro = "Wrong answers that the model was surest of. Some may be right, and the label wrong.";
        sections.push(("mistakes", "The surest mistakes", shown(intro, &report.mistakes)));
    }
    if !report.unsure.is_empty() {
        let intro = "The photos about which the model was least sure, right or wrong.";
        sections.push(("unsure", "The least sure answers", shown(intro, &report.unsure)));
    }
    if report.looks.iter().any(|answer| answer.look.is_some()) {
        sections.push(("looks", "Where it looks", looks(&report.looks)));
    }
    if !report.doubtful.is_empty() {
        let judge = match report.by_heart {
            true => {
                "The model has learned the training photos by heart in part, so that doubtful labels among them are found less often."
            }
            false => {
                "Each photo was judged by a head on pretrained features that was fitted to other photos, so that its own label had no say."
            }
        };
        let intro = format!(
            "{} training and validation photos that are taken for another class with more certainty than that class's own photos have on \
             average (confident learning, Northcutt et al. 2021). {judge}",
            report.doubtful.len()
        );
        let pictured: Vec<Answer> = report
            .doubtful
            .iter()
            .filter(|answer| answer.picture.is_some())
            .cloned()
            .collect();
        let content = html! {
            (shown(&intro, &pictured))
            p { "All of them stand in labels_to_check.tsv, beside this page." }
        };
        sections.push(("doubtful", "Labels to look at", content));
    }
    if !report.look_alikes.is_empty() {
        sections.push((
            "look-alikes",
            "Alike in two parts",
            look_alikes(&report.look_alikes),
        ));
    }
    if !report.augmented.is_empty() {
        let pictures = report.augmented.iter().map(|photo| {
            thumbnail(
                &photo.picture,
                &format!("The training photo, {}", photo.caption),
                html! { (photo.caption) },
            )
        });
        let content = html! {
            p { "One training photo, and what augmentation makes of it. Each epoch draws anew." }
            (gallery(pictures))
        };
        sections.push(("augmentation", "What augmentation does", content));
    }
    sections
}

fn shown(intro: &str, answers: &[Answer]) -> Markup {
    html! { p { (intro) } (gallery(answers.iter().map(|answer| match &answer.picture {
        Some(picture) => thumbnail(picture, &alternative(answer), caption(answer)),
        None => html! { p { (caption(answer)) } },
    }))) }
}

fn looks(answers: &[Answer]) -> Markup {
    let pictured = answers
        .iter()
        .filter_map(|answer| Some((answer, answer.picture.as_ref()?, answer.look.as_ref()?)));
    html! {
        p { "Red places spoke most for the answer, yellow ones less (Grad-CAM, Selvaraju et al. 2017). A model that looks at the background has learned the background." }
        (gallery(pictured.map(|(answer, picture, look)| html! {
            figure class="thumbnail" {
                div class="pair" {
                    img src=(picture) alt=(alternative(answer)) decoding="async";
                    img src=(look) alt={ "The same photo, colored where it speaks for " (answer.predicted) } decoding="async";
                }
                figcaption { (caption(answer)) }
            }
        })))
    }
}

fn look_alikes(pairs: &[LookAlikes]) -> Markup {
    let photo = |photo: &PhotoShown, part: &str| {
        html! {
            @if let Some(picture) = &photo.picture {
                img src=(picture) alt={ (photo.class) ", " (part) } title=(photo.file) decoding="async";
            }
        }
    };
    html! {
        p { "Photos of the validation or test part, each beside a training photo that shows nearly the same, by its pretrained features: shots of one
             series, or copies. What was learned from the one answers for the other, and the figures are better than they would be on new photos." }
        (gallery(pairs.iter().map(|pair| html! {
            figure class="thumbnail" {
                div class="pair" {
                    (photo(&pair.photo, "not trained on"))
                    (photo(&pair.training_photo, "trained on"))
                }
                figcaption {
                    (tail(&pair.photo.file)) br;
                    (tail(&pair.training_photo.file)) br;
                    "similarity " (format!("{:.3}", pair.similarity))
                }
            }
        })))
    }
}

fn alternative(answer: &Answer) -> String {
    format!("{}, answered {}", answer.class, answer.predicted)
}

fn caption(answer: &Answer) -> Markup {
    let is_right = answer.class == answer.predicted;
    html! {
        b { (answer.predicted) } " " (percent(f64::from(answer.probability)))
        br;
        @if is_right { "right" } @else { "is " (answer.class) " (" (percent(f64::from(answer.of_class))) ")" }
        br;
        span title=(answer.file) { (tail(&answer.file)) }
    }
}

/// The last part of a name: the folders before it are those of its class.
pub(super) fn tail(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

//! The photos: how many of each class and part, and what is odd about them.

use super::accuracy::grouped;
use super::making::data_words;
use super::photos::tail;
use crate::facts::{ClassCounts, DataFacts, FoundPhoto, RunReport};
use maud::{Markup, html};
use stepladder_inspection::Finding;
use stepladder_page::element::{Weight, command, gallery, groups, note, table, thumbnail};
use stepladder_page::svg::bar;

pub(super) fn data(report: &RunReport, data: &DataFacts) -> Markup {
    let all = |class: &ClassCounts| class.train + class.validation + class.test;
    let most = data.classes.iter().map(all).max().unwrap_or(0).max(1);
    let rows: Vec<Vec<Markup>> = data
        .classes
        .iter()
        .map(|class| {
            let count = |photos: usize| html! { (grouped(photos as u64)) };
            vec![
                html! { (class.class) },
                count(class.train),
                count(class.validation),
                count(class.test),
                bar(all(class) as f64 / most as f64),
            ]
        })
        .collect();
    html! {
        (table("Photos of each class", &["class", "training", "validation", "test", ""], &[false, true, true, true, false], &rows))
        @if data.findings.is_empty() { (note(Weight::Good, "Nothing is odd about the photos.", html! {})) }
        @for (finding, groups) in data.findings.iter().zip(&data.shown) { (found(finding, groups)) }
        p { "All of it, with samples of each class:" }
        (command(&format!("stepladder inspect{} --html inspection.html", data_words(report))))
    }
}

fn found(finding: &Finding, shown: &[Vec<FoundPhoto>]) -> Markup {
    let weight = if finding.serious {
        Weight::Warning
    } else {
        Weight::Notice
    };
    let left = finding.groups.len().saturating_sub(shown.len());
    let pictures = shown.iter().flatten();
    let details = html! {
        p { "What to do: " (finding.advice) "." }
        @if pictures.clone().any(|photo| photo.picture.is_some()) {
            @if shown.iter().any(|group| group.len() > 1) {
                (groups(shown.iter().map(|group| (group.iter().map(pictured).collect(), html! {}))))
            } @else {
                (gallery(pictures.map(pictured)))
            }
        } @else if !shown.is_empty() {
            ul { @for photo in pictures { li { (photo.file) ": " (photo.note) } } }
        }
        @if left > 0 { p class="soft" { "and " (left) " more" } }
    };
    note(weight, &format!("{}.", finding.what), details)
}

fn pictured(photo: &FoundPhoto) -> Markup {
    let caption = html! { (photo.note) br; span title=(photo.file) { (tail(&photo.file)) } };
    match &photo.picture {
        Some(picture) => thumbnail(picture, &photo.note, caption),
        None => html! { p { (caption) } },
    }
}

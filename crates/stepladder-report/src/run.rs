//! The page of a run: what it reached, how it went, where it is wrong, how to make it again. One file for each group of sections.

mod accuracy;
mod costs;
mod data;
mod making;
mod network;
mod photos;
mod training;

pub(crate) use accuracy::{duration, grouped};

use crate::facts::RunReport;
use stepladder_page::{Kind, Page};

/// Styles that only reports need.
const STYLE: &str = ".pair { display: flex; gap: .25rem; } .pair img { min-width: 0; }
#mistakes .gallery, #unsure .gallery, #looks .gallery, #doubtful .gallery { grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); }
#looks .gallery { grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); }
details pre { overflow-x: auto; }
#network .bar, #costs .bar, #data .bar { width: 6rem; }";

/// The report as an HTML document.
pub fn run_page(report: &RunReport) -> String {
    let summary = &report.summary;
    let mut page = Page::new(Kind::File, format!("{}, seed {}", summary.model, summary.seed))
        .lead(accuracy::lead(report))
        .style(stepladder_chart::STYLE)
        .style(stepladder_page::lines::STYLE)
        .style(STYLE)
        .section("result", "Result", accuracy::result(report))
        .section("curves", "How it was learned", training::curves(report));
    if let Some(answers) = &report.answers {
        page = page
            .section(
                "confusion",
                "What is taken for what",
                accuracy::confusion_of(answers),
            )
            .section("classes", "Class by class", accuracy::classes(answers));
    }
    for (id, heading, content) in photos::sections(report) {
        page = page.section(id, heading, content);
    }
    if let Some(answers) = &report.answers {
        page = page.section("calibration", "How sure it is", accuracy::calibration(answers));
    }
    if let Some(data) = &report.data {
        page = page.section("data", "The photos", data::data(report, data));
    }
    page.section("watch", "What the watch saw", training::watch(report))
        .section("network", "The network", network::network(report))
        .section("costs", "Time and memory", costs::costs(report))
        .section("making", "How to make it again", making::making(report))
        .render()
}

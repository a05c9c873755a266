//! What `inspect` shows: the classes, figures of the photos, and each finding with what to do.

use super::{Alignment, Output, Table, percent};
use stepladder_inspection::{Count, Finding, Inspection, Quartiles, Statistics, cropped, left_out};
use stepladder_model::ImageSize;

/// Groups of photos that are named for each finding.
const SHOWN: usize = 5;
/// Photos of one group that are named.
const MEMBERS: usize = 4;

/// Shows an inspection.
/// `input` is the shape that photos are to be cropped to.
pub(crate) fn show_inspection(output: &Output, inspection: &Inspection, input: ImageSize) {
    let statistics = &inspection.statistics;
    output.line(&format!("data        {}", inspection.data));
    output.line(&format!(
        "photos      {} in {} classes, {:.1} MiB",
        statistics.photos,
        statistics.classes.len(),
        statistics.bytes as f64 / f64::from(1 << 20)
    ));
    if statistics.photos > 0 {
        figures(output, inspection, input);
    }
    output.line("");
    output.table(&classes(statistics));
    output.line("");
    if inspection.findings.is_empty() {
        output.line("No finding: nothing that a training would suffer from.");
    }
    for finding in &inspection.findings {
        show(output, finding);
    }
}

/// Figures of the photos that can be read, of which there is at least one.
fn figures(output: &Output, inspection: &Inspection, input: ImageSize) {
    let statistics = &inspection.statistics;
    output.line(&format!("formats     {}", counts(&statistics.formats)));
    output.line(&format!("color       {}", counts(&statistics.colors)));
    output.line(&format!("short side  {} px", range(&statistics.short_side, 0)));
    output.line(&format!(
        "aspect      {} (width : height)",
        range(&statistics.aspect, 2)
    ));
    let beyond = inspection.beyond_input(input).median;
    output.line(&format!("crop        {}", left_out(beyond, input)));
    if cropped(beyond, input).is_some() {
        output.line("            fit = \"pad\" in a rung's [input] shows photos whole");
    }
    let rgb = |values: [f64; 3]| values.map(|value| format!("{value:.3}")).join(" ");
    output.line(&format!(
        "channels    mean {}, deviation {} (red green blue, 0..1)",
        rgb(statistics.mean),
        rgb(statistics.deviation)
    ));
}

fn classes(statistics: &Statistics) -> Table {
    let parts = statistics.classes.iter().any(|class| class.parts.is_some());
    let unreadable = statistics.classes.iter().any(|class| class.unreadable > 0);
    let mut heads = vec![
        ("class", Alignment::Left),
        ("photos", Alignment::Right),
        ("share", Alignment::Right),
    ];
    if parts {
        heads.extend(["train", "validation", "test"].map(|part| (part, Alignment::Right)));
    }
    if unreadable {
        heads.push(("unreadable", Alignment::Right));
    }
    let mut table = Table::new(heads);
    for class in &statistics.classes {
        let share = class.photos as f64 / statistics.photos.max(1) as f64;
        let mut row = vec![class.class.clone(), class.photos.to_string(), percent(share)];
        if parts {
            row.extend(class.parts.unwrap_or_default().map(|photos| photos.to_string()));
        }
        if unreadable {
            row.push(class.unreadable.to_string());
        }
        table.row(row);
    }
    table
}

fn show(output: &Output, finding: &Finding) {
    let word = if finding.serious { "warning" } else { "notice" };
    output.line(&format!("{word}: {}", finding.what));
    for group in finding.groups.iter().take(SHOWN) {
        let names: Vec<String> = group.iter().take(MEMBERS).map(named).collect();
        let more = match group.len().saturating_sub(MEMBERS) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        output.line(&format!("    {}{more}", names.join(" = ")));
    }
    if finding.groups.len() > SHOWN {
        output.line(&format!("    and {} more", finding.groups.len() - SHOWN));
    }
    output.line(&format!("  -> {}", finding.advice));
    output.line("");
}

fn named(member: &stepladder_inspection::Member) -> String {
    match &member.note {
        Some(note) => format!("{}: {note}", member.file),
        None => member.file.clone(),
    }
}

fn counts(counts: &[Count]) -> String {
    let counts: Vec<String> = counts
        .iter()
        .map(|count| format!("{} {}", count.photos, count.kind))
        .collect();
    counts.join(", ")
}

/// "96 to 600, half of them 180 to 240".
fn range(of: &Quartiles, digits: usize) -> String {
    if of.min == of.max {
        return format!("{:.digits$}", of.min);
    }
    format!(
        "{:.digits$} to {:.digits$}, half of them {:.digits$} to {:.digits$}",
        of.min, of.max, of.lower, of.upper
    )
}

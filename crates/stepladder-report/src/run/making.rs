//! Configuration, environment, and the command that makes the run again.

use super::accuracy::grouped;
use crate::facts::RunReport;
use maud::{Markup, html};
use stepladder_page::element::{command, table};
use stepladder_train::{DataRecord, ReadingRecord};

pub(super) fn making(report: &RunReport) -> Markup {
    let (config, summary) = (&report.config, &report.summary);
    let mut settings = vec![
        ("rung", config.model.clone()),
        ("size", format!("{} px", config.size)),
        ("epochs, at most", config.epochs.to_string()),
        ("batch size", config.batch_size.to_string()),
        ("learning rate", config.learning_rate.to_string()),
        (
            "seed, split seed",
            format!("{}, {}", config.seed, config.split_seed),
        ),
        ("precision", config.precision.clone()),
        ("threads", config.threads.to_string()),
        ("photos a second", format!("{:.0}", summary.images_per_second)),
        (
            "share of the time spent waiting for photos",
            format!("{:.1}%", 100.0 * summary.input_wait_fraction),
        ),
    ];
    if let Some(bytes) = summary.peak_memory_bytes {
        settings.push(("most memory", format!("{} MiB", grouped(bytes >> 20))));
    }
    if let Some(environment) = &report.environment {
        settings.push(("Stepladder", environment.stepladder.clone()));
        settings.push(("platform", environment.platform.clone()));
        settings.push((
            "processor",
            environment.cpu.clone().unwrap_or_else(|| "unknown".into()),
        ));
        settings.push(("device", environment.device.clone()));
        settings.extend(
            environment
                .instruction_set
                .clone()
                .map(|set| ("vector instructions", set)),
        );
    }
    let rows: Vec<Vec<Markup>> = settings
        .iter()
        .map(|(key, value)| vec![html! { (key) }, html! { (value) }])
        .collect();
    html! {
        p { "The same version, data and seed give the same weights, bit for bit, whatever the number of threads." }
        (command(&again(report)))
        (table("Settings and environment", &["", ""], &[false, false], &rows))
        details { summary { "The rung in full" } pre tabindex="0" { code { (report.rung) } } }
    }
}

/// The command. The rung's file has all that was set.
fn again(report: &RunReport) -> String {
    let config = &report.config;
    let rung = quoted(&format!("{}/rung.toml", report.summary.run));
    format!(
        "stepladder train{} --model {rung} --size {} --seed {} --split-seed {} --precision {} --new",
        data_words(report),
        config.size,
        config.seed,
        config.split_seed,
        config.precision
    )
}

/// The words of a command that name the run's data, each with a space before it; none for the photos that come with the program.
pub(super) fn data_words(report: &RunReport) -> String {
    let DataRecord {
        shipped: _,
        path,
        table,
        train,
        val,
        test,
        reading,
    } = &report.config.data;
    let named = [
        ("", path),
        ("--table ", table),
        ("--train ", train),
        ("--val ", val),
        ("--test ", test),
    ];
    let words = named.iter().filter_map(|(option, path)| {
        let path = path.as_ref()?.display().to_string();
        Some(format!(" {option}{}", quoted(&path)))
    });
    words.chain(reading_words(reading)).collect()
}

/// The options that say how names are read.
fn reading_words(reading: &ReadingRecord) -> impl Iterator<Item = String> {
    let ReadingRecord {
        layout,
        class_from,
        group_by,
        follow_links,
        classes,
        zip_names,
    } = reading.clone();
    let classes = (!classes.is_empty()).then(|| classes.join(","));
    let valued = [
        ("--layout", layout),
        ("--class-from", class_from),
        ("--group-by", group_by),
        ("--classes", classes),
        ("--zip-names", zip_names),
    ];
    let words = valued
        .into_iter()
        .filter_map(|(option, value)| Some(format!(" {option} {}", quoted(&value?))));
    words.chain(follow_links.then(|| String::from(" --follow-links")))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:=,@%".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_string(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_shell_whole() {
        assert_eq!(quoted("runs/a-1"), "runs/a-1");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted("a b; rm"), "'a b; rm'");
    }
}

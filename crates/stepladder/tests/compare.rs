//! `stepladder compare` on a run, its copy with recorded predictions, and a run with other test photos.

mod command;

use command::Workplace;
use serde_json::Value;
use std::path::Path;

/// A workplace with the run `first` and a copy of it, `second`, whose rung has another learning rate.
fn workplace() -> Workplace {
    let place = Workplace::new();
    place.json(&[
        "train", "--model", "baseline", "--size", "24", "--epochs", "2", "--out", "first",
    ]);
    copy(&place.path("first"), &place.path("second"));
    let rung = place.read("second/rung.toml");
    std::fs::write(
        place.path("second/rung.toml"),
        rung.replace("learning_rate = 0.001", "learning_rate = 0.01"),
    )
    .unwrap();
    place
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Records that of the test photos of `run`, in their order, the first `wrong` were wrong and the others right.
fn record(place: &Workplace, run: &str, wrong: usize) {
    let text = place.read(format!("{run}/test_predictions.tsv"));
    let mut lines = text.lines();
    let mut recorded = format!("{}\n", lines.next().unwrap());
    let mut right = 0;
    for (number, line) in lines.enumerate() {
        let mut cells: Vec<&str> = line.split('\t').collect();
        let other = if cells[1] == "daisy" { "tulips" } else { "daisy" };
        cells[2] = if number < wrong { other } else { cells[1] };
        right += usize::from(number >= wrong);
        recorded += &format!("{}\n", cells.join("\t"));
    }
    std::fs::write(place.path(format!("{run}/test_predictions.tsv")), recorded).unwrap();
    let mut summary: Value = serde_json::from_str(&place.read(format!("{run}/summary.json"))).unwrap();
    let photos = summary["test_images"].as_u64().unwrap() as f64;
    summary["test_accuracy"] = (right as f64 / photos).into();
    // As of runs that came to their ends.
    summary.as_object_mut().unwrap().remove("unsettled");
    std::fs::write(place.path(format!("{run}/summary.json")), summary.to_string()).unwrap();
}

#[test]
fn recorded_predictions_are_compared_photo_by_photo() {
    let place = workplace();
    // Of 17 photos the first gets 5 right and the second 14, these 5 among them.
    record(&place, "first", 12);
    record(&place, "second", 3);
    let compared = place.json(&["compare", "first", "second"]);
    assert_eq!(compared["runs"][0]["test"]["photos"], 17);
    let paired = &compared["against_first"][0]["paired"];
    assert!((paired["difference"].as_f64().unwrap() - 9.0 / 17.0).abs() < 1e-12);
    assert!((paired["discordant"].as_f64().unwrap() - 9.0 / 17.0).abs() < 1e-12);
    // Nine photos that differ, all for the second: 2 of 2^9 ways.
    assert!((paired["p_value"].as_f64().unwrap() - 2.0 / 512.0).abs() < 1e-12);
    assert_eq!(paired["verdict"], "real");
    assert_eq!(compared["differences"].as_array().unwrap().len(), 1);
    let difference = &compared["differences"][0];
    assert_eq!(
        (&difference["key"], &difference["first"], &difference["here"]),
        (&"optimizer.learning_rate".into(), &"0.001".into(), &"0.01".into())
    );

    let shown = String::from_utf8(place.run(&["compare", "first", "second"]).stdout).unwrap();
    for phrase in [
        "29.4 (13.3-53.1)",
        "+52.9",
        "real",
        "9 of 17",
        "optimizer.learning_rate",
        "by epoch",
    ] {
        assert!(shown.contains(phrase), "no {phrase} in {shown}");
    }
    // The other way around it is worse, and with itself there is nothing to tell.
    let back = place.json(&["compare", "second", "first"]);
    assert_eq!(back["against_first"][0]["paired"]["verdict"], "worse");
    let itself = place.json(&["compare", "first", "first"]);
    assert_eq!(itself["against_first"][0]["paired"]["verdict"], "within noise");
    assert_eq!(
        itself["against_first"][0]["paired"]["photos_to_tell_apart"],
        Value::Null
    );
    assert_eq!(itself["differences"], serde_json::json!([]));
}

#[test]
fn runs_with_other_test_photos_are_not_paired_and_named() {
    let place = workplace();
    place.json(&[
        "train", "--model", "baseline", "--size", "24", "--epochs", "1", "--seed", "1", "--out", "other",
    ]);
    let compared = place.json(&["compare", "first", "second", "other"]);
    let other = &compared["against_first"][1];
    assert_eq!(other["paired"], Value::Null);
    assert_eq!(other["reason"], "other was tested on other photos than first");
    assert!(other["unpaired"]["interval"].is_array());
    let shown = String::from_utf8(place.run(&["compare", "first", "other"]).stdout).unwrap();
    assert!(
        shown.contains("other was tested on other photos than first"),
        "{shown}"
    );
    assert!(shown.contains("(unpaired)"), "{shown}");

    // The same split with another seed can be paired.
    place.json(&[
        "train",
        "--model",
        "baseline",
        "--size",
        "24",
        "--epochs",
        "1",
        "--seed",
        "1",
        "--split-seed",
        "0",
        "--out",
        "same",
    ]);
    let compared = place.json(&["compare", "first", "same"]);
    assert!(compared["against_first"][0]["paired"].is_object(), "{compared}");
}

#[test]
fn csv_and_markdown_hold_the_same_figures() {
    let place = workplace();
    record(&place, "first", 12);
    record(&place, "second", 3);
    let csv = String::from_utf8(place.run(&["compare", "first", "second", "--csv"]).stdout).unwrap();
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{csv}");
    let column = |name: &str| rows[0].iter().position(|head| *head == name).unwrap();
    assert_eq!(rows[1][column("change")], "");
    assert_eq!(rows[2][column("verdict")], "real");
    assert_eq!(rows[2][column("paired")], "true");
    assert_eq!(rows[2][column("p_value")].parse::<f64>().unwrap(), 0.00390625);

    let markdown = place.run(&["compare", "first", "second", "--markdown"]).stdout;
    let markdown = String::from_utf8(markdown).unwrap();
    assert!(
        markdown.contains("## Figures") && markdown.contains("| --- |"),
        "{markdown}"
    );
    assert!(markdown.contains("| second | baseline | 82.4 ("), "{markdown}");
}

#[test]
fn the_page_has_tables_differences_and_curves_over_each_other_and_loads_nothing() {
    let place = workplace();
    record(&place, "first", 12);
    record(&place, "second", 3);
    let compared = place.json(&["compare", "first", "second", "--html", "compared.html"]);
    let page = place.read("compared.html");
    for phrase in [
        "second against first",
        "+52.9 points of test accuracy",
        ": real for this seed.",
        "<td>82.4 (",
        "optimizer.learning_rate",
        "Validation accuracy by epoch; first from",
        "<figcaption>Training loss</figcaption>",
        "default-src 'none'",
    ] {
        assert!(page.contains(phrase), "no {phrase} in {page}");
    }
    let loss = compared["runs"][1]["curves"]["val_loss"][1].as_f64().unwrap();
    assert!(page.contains(&format!("<title>second, epoch 2: {loss:.2}</title>")));
    assert_eq!(page.matches("<polyline").count(), 8);
    assert!(!page.contains("src=") && !page.contains("NaN"));

    // CSV stays CSV beside it, and three runs are one page too.
    let csv = place.run(&[
        "compare",
        "first",
        "second",
        "first",
        "--csv",
        "--html",
        "compared.html",
    ]);
    assert_eq!(String::from_utf8(csv.stdout).unwrap().lines().count(), 4);
    assert!(place.read("compared.html").contains("3 runs compared"));
    let message = place.error(&["compare", "first", "second", "--html", "first/model.safetensors"]);
    assert!(message.contains("must end in .html"), "{message}");
}

#[test]
fn curves_are_bars_or_plain_signs_as_the_locale_has_it() {
    let place = workplace();
    let curves = |locale: &str| {
        let mut command = place.command(&["compare", "first", "second"]);
        command.env("LC_ALL", locale);
        let shown = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let (_, curves) = shown.split_once("Curves, by epoch\n").unwrap();
        curves.to_string()
    };
    let bars = curves("C.UTF-8");
    assert!(bars.contains('█') && bars.contains('▁'), "{bars}");
    let signs = curves("C");
    assert!(
        signs.is_ascii() && signs.contains('#') && signs.contains('_'),
        "{signs}"
    );
    for head in ["training loss ", "validation loss ", "val. accuracy "] {
        assert!(signs.contains(head), "{signs}");
    }
}

#[test]
fn what_is_no_finished_run_is_said_by_name() {
    let place = workplace();
    std::fs::create_dir(place.path("empty")).unwrap();
    for (runs, phrase) in [
        (["first", "nowhere"], "nowhere is no directory"),
        (["first", "empty"], "empty holds no summary.json"),
    ] {
        let message = place.error(&["compare", runs[0], runs[1]]);
        assert!(message.contains(phrase), "{message}");
    }
    std::fs::write(place.path("second/test_predictions.tsv"), "file\tclass\nx\ty\n").unwrap();
    let message = place.error(&["compare", "first", "second"]);
    assert!(message.contains("test_predictions.tsv: damaged"), "{message}");
    let message = place.error(&["compare", "first", "first", "--csv", "--json"]);
    assert!(message.contains("cannot be used with"), "{message}");
    assert!(place.error(&["compare", "first"]).contains("RUN"));
}

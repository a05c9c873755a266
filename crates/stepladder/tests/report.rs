//! `stepladder report` on a run, on a run whose photos are gone, on hostile names, and on a climb.

mod command;

use command::Workplace;

/// A small training on the shipped photos, in `run`.
fn workplace() -> Workplace {
    let place = Workplace::new();
    place.json(&[
        "train", "--model", "baseline", "--size", "24", "--epochs", "2", "--out", "run",
    ]);
    place
}

#[test]
fn a_run_becomes_a_page_with_pictures() {
    let place = workplace();
    let reported = place.json(&["report", "run"]);
    assert_eq!(reported["report"], "run/report.html");
    let photos = reported["run"]["answers"]["evaluation"]["images"]
        .as_u64()
        .unwrap();
    assert_eq!(photos, 17, "test photos");
    let page = place.read("run/report.html");
    for section in [
        "result",
        "curves",
        "confusion",
        "classes",
        "mistakes",
        "unsure",
        "calibration",
        "data",
        "watch",
        "network",
        "costs",
        "making",
    ] {
        assert!(page.contains(&format!("id=\"{section}\"")), "{section}");
    }
    assert!(page.matches("data:image/jpeg;base64,").count() > 12, "pictures");
    assert!(page.len() < 5 << 20, "{} bytes", page.len());
    assert!(
        !page.contains("src=\"http") && !page.contains("href=\"http"),
        "loads nothing"
    );
    let run = &reported["run"];
    assert!(
        run["step"]["seconds"].as_f64().unwrap() > 0.0,
        "{}",
        run["no_step"]
    );
    let layers = run["layers"].as_array().unwrap();
    let timed = layers.iter().filter(|layer| layer["forward_seconds"].is_f64());
    assert!(timed.count() > 0 && layers[0]["kept_bytes"].as_u64().unwrap() > 0);
    // What the page tells its reader to type is a command that there is.
    assert!(
        page.contains("stepladder inspect --html inspection.html"),
        "inspect"
    );
    let inspected = place.run(&["inspect", "--html", "inspection.html"]);
    assert!(inspected.status.success() && place.path("inspection.html").exists());
    let counted = run["data"]["classes"].as_array().unwrap().iter();
    let counted = counted.map(|class| class["test"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(counted, photos);
    // A second report replaces the first; only the times differ.
    place.json(&["report", "run", "--out", "again.html"]);
    let but_times = |page: &str| {
        let costs = page.find("<section id=\"costs\"").unwrap();
        let after = costs + page[costs..].find("</section>").unwrap();
        format!("{}{}", &page[..costs], &page[after..])
    };
    assert_eq!(but_times(&place.read("again.html")), but_times(&page));
}

#[test]
fn without_its_photos_a_run_still_has_a_report() {
    let place = workplace();
    let config = place.read("run/config.json");
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config["data"]["shipped"] = serde_json::Value::Null;
    config["data"]["path"] = "/nowhere/flowers.zip".into();
    std::fs::write(place.path("run/config.json"), config.to_string()).unwrap();
    let told = place.run(&["report", "run"]);
    assert!(told.status.success());
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.contains("--data says where the photos are now"), "{told}");
    let page = place.read("run/report.html");
    assert!(page.contains("This report has no pictures") && page.contains("Counts of test photos"));
    assert!(!page.contains("data:image/jpeg"));
}

#[test]
fn names_are_shown_and_never_run() {
    let place = workplace();
    let hostile = "<script>alert(1)</script>";
    for file in ["summary.json", "test_predictions.tsv"] {
        let path = place.path(format!("run/{file}"));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text.replace("daisy", hostile)).unwrap();
    }
    // The model knows the old name: the report falls back to what the run wrote down.
    std::fs::write(
        place.path("run/diagnoses.json"),
        format!("[{{\"seen\": \"{hostile}\"}}, 3]"),
    )
    .unwrap();
    std::fs::remove_file(place.path("run/model.safetensors")).unwrap();
    assert!(place.run(&["report", "run"]).status.success());
    let page = place.read("run/report.html");
    assert!(!page.contains(hostile));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn a_climb_becomes_a_page() {
    let place = Workplace::new();
    place.json(&[
        "climb",
        "--rungs",
        "baseline,m3",
        "--size",
        "24",
        "--epochs",
        "1",
        "--into",
        "climb",
    ]);
    let reported = place.json(&["report", "climb"]);
    assert_eq!(reported["climb"]["rungs"].as_array().unwrap().len(), 2);
    let page = place.read("climb/report.html");
    assert!(page.contains("A climb of 2 rungs") && page.contains("95% interval"));
    assert!(page.contains("m3, from baseline"), "differences");
}

#[test]
fn what_is_no_run_is_said() {
    let place = Workplace::new();
    std::fs::create_dir(place.path("empty")).unwrap();
    let error = place.error(&["report", "empty"]);
    assert!(error.contains("summary.json"), "{error}");
}

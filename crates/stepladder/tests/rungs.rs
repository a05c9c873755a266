//! `stepladder models`: the list, one rung, its TOML, and the computed difference to its parent.

mod command;

use command::Workplace;

#[test]
fn the_list_has_each_rung_with_its_parent_and_change() {
    let place = Workplace::new();
    let list = place.json(&["models"]);
    let rungs = list["models"].as_array().unwrap();
    assert_eq!(rungs[0]["name"], "baseline");
    let m5 = rungs.iter().find(|rung| rung["name"] == "m5").unwrap();
    assert_eq!(m5["parent"], "m4");
    assert!(m5["change"].as_str().unwrap().contains("Adam"));
}

#[test]
fn one_rung_shows_layers_shapes_parameters_and_costs() {
    let place = Workplace::new();
    let rung = place.json(&["models", "baseline", "--size", "28", "--classes", "10"]);
    // As Keras counts: two convolutions, and 5 x 5 x 64 features into ten classes.
    let parameters = (9 * 3 + 1) * 32 + (9 * 32 + 1) * 64 + (5 * 5 * 64 + 1) * 10;
    assert_eq!(rung["parameters"], parameters);
    let text = String::from_utf8(place.run(&["models", "m5"]).stdout).unwrap();
    for word in ["Conv2D", "4096", "Flatten", "softmax"] {
        assert!(text.contains(word), "no {word} in {text}");
    }
}

#[test]
fn the_difference_to_the_parent_is_the_stated_change_and_no_more() {
    let place = Workplace::new();
    let diff = place.json(&["models", "m5", "--diff"]);
    let lines: Vec<&str> = diff["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d.as_str().unwrap())
        .collect();
    assert!(lines.iter().all(|line| line.contains("optimizer")), "{lines:?}");
    assert!(
        lines.iter().any(|line| line.contains("nadam")) && lines.iter().any(|line| line.contains("adam"))
    );
}

#[test]
fn a_rung_printed_in_full_is_a_rung() {
    let place = Workplace::new();
    let toml = place.run(&["models", "m5", "--toml"]).stdout;
    std::fs::write(place.path("copy.toml"), toml).unwrap();
    let copy = place.json(&["models", "copy.toml"]);
    assert_eq!(copy["parameters"], place.json(&["models", "m5"])["parameters"]);
}

#[test]
fn the_list_has_the_ladder_and_below_it_variants_and_networks() {
    let place = Workplace::new();
    let list = place.json(&["models", "--size", "64"]);
    let names = |key: &str| -> Vec<String> {
        let rungs = list[key].as_array().unwrap().iter();
        rungs
            .map(|rung| rung["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("models").len(), 14);
    assert_eq!(names("models").last().unwrap(), "m20");
    assert!(names("variants").contains(&"m17-fan-in".to_owned()));
    let text = String::from_utf8(place.run(&["models"]).stdout).unwrap();
    assert!(text.find("\nm20 ").unwrap() < text.find("\nVariants").unwrap());
    assert!(text.find("\nVariants").unwrap() < text.find("\nm17-fan-in ").unwrap());
    assert_eq!(names("networks").len(), 14);
    assert!(text.find("\nm17-fan-in ").unwrap() < text.find("\nNetworks").unwrap());
    assert!(text.find("\nNetworks").unwrap() < text.find("\nresnet18 ").unwrap());
}

#[test]
fn a_rung_is_shown_with_what_the_lints_say() {
    let place = Workplace::new();
    let text = String::from_utf8(place.run(&["models", "m20"]).stdout).unwrap();
    assert!(text.contains("\nallowed: m20.toml:"), "{text}");
    assert!(
        text.contains("up to 162 degrees; write factor = 0.125 for 45 degrees"),
        "{text}"
    );
    std::fs::write(
        place.path("turned.toml"),
        "name = \"turned\"\nparent = \"m20\"\nchange = \"Nothing\"\n",
    )
    .unwrap();
    let text = String::from_utf8(place.run(&["models", "turned.toml"]).stdout).unwrap();
    assert!(text.contains("\nwarning: m20.toml:"), "{text}");
    let lints = place.json(&["models", "turned.toml"])["lints"].clone();
    assert_eq!(lints[0]["lint"], "rotation-in-turns");
    assert_eq!(lints[0]["silenced"], false);
}

#[test]
fn a_new_rung_is_its_parent_and_can_be_trained() {
    let place = Workplace::new();
    let made = place.json(&["models", "new", "my.toml", "--from", "m10"]);
    assert_eq!((&made["name"], &made["parent"]), (&"my".into(), &"m10".into()));
    assert!(
        place
            .read("my.toml")
            .starts_with("# A rung of your own. It starts as m10")
    );
    let diff = place.json(&["models", "my.toml", "--diff"]);
    assert_eq!(diff["parent"], "m10");
    assert_eq!(diff["differences"].as_array().unwrap().len(), 0);
    // A child of a file names it as it is seen from there.
    std::fs::create_dir(place.path("below")).unwrap();
    place.json(&["models", "new", "below/child.toml", "--from", "my.toml"]);
    place.json(&["models", "new", "elder.toml", "--from", "below/child.toml"]);
    for child in ["below/child.toml", "elder.toml"] {
        assert_eq!(
            place.json(&["models", child, "--diff"])["differences"]
                .as_array()
                .unwrap()
                .len(),
            0
        );
    }
    let run = place.json(&[
        "train", "--model", "my.toml", "--size", "32", "--epochs", "1", "--lr", "0.1",
    ]);
    assert_eq!(run["model"], "my");
    assert_eq!(run["lints"][0]["lint"], "learning-rate");
}

#[test]
fn training_warns_on_stderr_before_it_starts() {
    let place = Workplace::new();
    let output = place.run(&[
        "train",
        "--model",
        "baseline",
        "--size",
        "16",
        "--epochs",
        "1",
        "--set",
        "optimizer.learning_rate=0.5",
    ]);
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    let warning = said
        .find("warning: baseline.toml: a learning rate of 0.5 is 500 times above")
        .unwrap_or_else(|| panic!("{said}"));
    assert!(warning < said.find("epoch ").unwrap(), "{said}");
}

#[test]
fn a_new_rung_overwrites_nothing_and_says_what_is_wrong() {
    let place = Workplace::new();
    std::fs::write(place.path("mine.toml"), "kept").unwrap();
    let said = place.error(&["models", "new", "mine.toml", "--from", "m13"]);
    assert!(
        said.contains("mine.toml is there already, and is not overwritten"),
        "{said}"
    );
    assert_eq!(place.read("mine.toml"), "kept");
    let said = place.error(&["models", "new", "mine", "--from", "m13"]);
    assert!(said.contains("write mine.toml"), "{said}");
    let said = place.error(&["models", "new", "other.toml", "--from", "m133"]);
    assert!(said.contains("did you mean `m13`?"), "{said}");
    assert!(!place.path("other.toml").exists());
}

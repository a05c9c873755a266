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

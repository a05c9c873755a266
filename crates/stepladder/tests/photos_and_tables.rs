//! Photos and tables as people have them, from the outside: what `train`, `inspect`, `evaluate` and `predict` make of them, and say of it.

mod command;

use command::{Workplace, said};
use image::{ImageBuffer, Luma};

/// Two classes of 16-bit gray that use `most` of 65535: bright on the left, and bright on the right.
fn deep(place: &Workplace, most: u16) {
    for (class, left) in [("left", true), ("right", false)] {
        let folder = place.path("deep").join(class);
        std::fs::create_dir_all(&folder).unwrap();
        for number in 0..12_u16 {
            let value = |x: u32| if (x < 4) == left { most - number } else { number };
            let photo = ImageBuffer::from_fn(8, 8, |x, _| Luma([value(x)]));
            photo.save(folder.join(format!("{number}.png"))).unwrap();
        }
    }
}

const TRAIN: [&str; 6] = ["--model", "tiny.toml", "--size", "8", "--epochs", "1"];

#[test]
fn levels_are_warned_of_measured_and_kept() {
    let place = Workplace::of_two_colors(1);
    deep(&place, 4095);
    let inspected = place.json(&["inspect", "deep"]);
    assert!(
        inspected["findings"].to_string().contains("narrow_levels"),
        "{inspected}"
    );
    assert!(inspected["mean"][0].as_f64().unwrap() < 0.05);
    let stretched = place.json(&["inspect", "deep", "--levels", "auto"]);
    assert!(stretched["mean"][0].as_f64().unwrap() > 0.4, "{stretched}");
    assert!(!stretched["findings"].to_string().contains("narrow_levels"));

    let plain = place.run(&[&["train", "deep", "--out", "plain"][..], &TRAIN].concat());
    assert!(said(&plain).contains("--levels auto"), "{}", said(&plain));
    let trained = place.json(&[&["train", "deep", "--levels", "auto", "--out", "run"][..], &TRAIN].concat());
    assert!(
        trained["data_notes"].to_string().contains("white"),
        "{}",
        trained["data_notes"]
    );
    let config: serde_json::Value = serde_json::from_str(&place.read("run/config.json")).unwrap();
    let levels = config["data"]["levels"].as_str().unwrap().to_string();
    assert!(levels.ends_with(":4095"), "{levels}");
    // The same question to the run and to its model alone: photos are stretched as in training.
    let predicted = |model: &str| {
        let answers = place.json(&["predict", model, "deep/left"]);
        answers["photos"].to_string()
    };
    std::fs::copy(
        place.path("run/model.safetensors"),
        place.path("alone.safetensors"),
    )
    .unwrap();
    assert_eq!(predicted("run"), predicted("alone.safetensors"));
    assert_ne!(predicted("run"), predicted("plain"));
    let evaluated = place.json(&["evaluate", "alone.safetensors", "--data", "deep"]);
    assert_eq!(evaluated["figures"]["images"], 24);
    assert!(evaluated["trained_on_images"].is_null());
}

#[test]
fn evaluate_says_what_it_could_not_read_and_what_the_model_knows() {
    let place = Workplace::of_two_colors(1);
    place.json(&[&["train", "data", "--out", "run"][..], &TRAIN].concat());
    for class in ["red", "green"] {
        std::fs::create_dir_all(place.path("mixed").join(class)).unwrap();
        // Not all of them, or they would be the run's own photos in another place.
        for number in 0..9 {
            let name = format!("{class}/{number}.png");
            std::fs::copy(place.path("data").join(&name), place.path("mixed").join(&name)).unwrap();
        }
    }
    std::fs::write(
        place.path("mixed/red/new.heic"),
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    )
    .unwrap();
    let output = place.run(&["evaluate", "run", "--data", "mixed"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let first: Vec<&str> = text.lines().take(2).collect();
    assert!(
        first[0].contains("1 of 19 photos cannot be read") && first[0].contains("HEIC"),
        "{text}"
    );
    assert!(first[1].contains("the model was trained on"), "{text}");
    let answer = place.json(&["evaluate", "run", "--data", "mixed"]);
    let split = place.read("run/split.tsv");
    let is_copied = |line: &&str| (0..9).any(|number| line.contains(&format!("/{number}.png")));
    let copied = split.lines().filter(is_copied);
    let trained = copied.filter(|line| line.ends_with("\ttrain")).count();
    assert_eq!(answer["trained_on_images"], trained);
    assert_eq!(answer["unreadable_images"], 1);
    // The test part of the run is new to the model, and nothing is said.
    let own = place.json(&["evaluate", "run"]);
    assert_eq!(
        (own["trained_on_images"].clone(), own["unreadable_images"].clone()),
        (0.into(), 0.into())
    );
}

#[test]
fn many_classes_have_no_matrix() {
    let place = Workplace::of_two_colors(1);
    for class in 0..40_u8 {
        let folder = place.path(format!("many/c{class:02}"));
        std::fs::create_dir_all(&folder).unwrap();
        for number in 0..3_u8 {
            let photo = image::RgbImage::from_pixel(8, 8, image::Rgb([class * 6, number, 90]));
            photo.save(folder.join(format!("{number}.png"))).unwrap();
        }
    }
    place.json(&[&["train", "many", "--out", "run"][..], &TRAIN].concat());
    let output = place.run(&["evaluate", "run", "--part", "all"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("largest confusions") && !text.contains("rows are the truth"),
        "{text}"
    );
    let mut tables = text.lines().filter(|line| !line.starts_with("warning:"));
    assert!(tables.all(|line| line.len() < 120), "{text}");
    place.json(&["report", "run"]);
    let page = place.read("run/report.html");
    assert!(page.contains("Largest confusions") && !page.contains("class=\"confusion\""));
}

#[test]
fn a_table_that_is_not_clear_is_asked_about() {
    let place = Workplace::of_two_colors(1);
    let rows = |kind: &str| {
        let row = |class: &str, number: u32| format!("{class}/{number},{class},{kind}\n");
        (0..12)
            .map(|n| row("red", n) + &row("green", n))
            .collect::<String>()
    };
    std::fs::write(
        place.path("t.csv"),
        format!("photo_no,hue,form\n{}", rows("round")),
    )
    .unwrap();
    let error = place.error(&["inspect", "data", "--table", "t.csv"]);
    assert!(
        error.contains("hint: ") && error.contains("--columns file=photo_no,class="),
        "{error}"
    );
    let stated = place.json(&[
        "inspect",
        "data",
        "--table",
        "t.csv",
        "--columns",
        "file=photo_no,class=hue",
    ]);
    assert_eq!(stated["classes"].as_array().unwrap().len(), 2);
    std::fs::write(place.path("u.csv"), b"file,class\nred/0.png,\xf0\xee\xe7\xe0\n").unwrap();
    let error = place.error(&["inspect", "data", "--table", "u.csv"]);
    assert!(
        error.contains("line 2") && error.contains("--encoding NAME"),
        "{error}"
    );
}

#[test]
fn small_classes_and_unlabelled_parts_are_named() {
    let place = Workplace::of_two_colors(1);
    for (from, to) in [
        ("red/0.png", "once"),
        ("red/1.png", "twice"),
        ("red/2.png", "twice"),
    ] {
        let (old, folder) = (
            place.path(format!("data/{from}")),
            place.path(format!("data/{to}")),
        );
        std::fs::create_dir_all(&folder).unwrap();
        let name = from.rsplit('/').next().unwrap();
        std::fs::rename(old, folder.join(name)).unwrap();
    }
    let mut both = String::new();
    for seed in 0..4 {
        let (seed, out) = (seed.to_string(), format!("run-{seed}"));
        let run = [&["train", "data", "--seed", &seed, "--out", &out][..], &TRAIN].concat();
        both += &place.json(&run)["concerns"].to_string();
    }
    assert!(!both.contains("has 0 photos"), "{both}");
    assert!(both.contains("twice"), "{both}");

    for (name, folder) in [
        ("red/3.png", "train/red"),
        ("green/3.png", "train/green"),
        ("red/4.png", "test"),
    ] {
        std::fs::create_dir_all(place.path("kaggle").join(folder)).unwrap();
        let file = place.path("kaggle").join(folder).join("1.png");
        std::fs::copy(place.path(format!("data/{name}")), file).unwrap();
    }
    let inspected = place.json(&["inspect", "kaggle"])["findings"].to_string();
    assert!(
        inspected.contains("1 photo of the test part in no class folder"),
        "{inspected}"
    );
}

#[test]
fn a_set_without_a_readable_photo_has_no_figures() {
    let place = Workplace::of_two_colors(1);
    for class in ["a", "b"] {
        std::fs::create_dir_all(place.path("broken").join(class)).unwrap();
        std::fs::write(place.path("broken").join(class).join("1.png"), b"no picture").unwrap();
    }
    let output = place.run(&["inspect", "broken"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("photos      0 in 2 classes"), "{text}");
    for line in ["short side", "aspect", "crop", "channels", "formats"] {
        assert!(!text.lines().any(|shown| shown.starts_with(line)), "{text}");
    }
}

//! Folders as people have them, from the outside: what `train` and `inspect` make of them, what they refuse, and that a run finds its photos
//! again.

mod command;

use command::{Workplace, said};

/// Photos of `classes` colors below `data`, at the paths that `name` gives for class and number.
fn photos(place: &Workplace, each: u32, name: impl Fn(&str, u32) -> String) {
    for (class, color) in [("red", [200, 30, 30]), ("green", [30, 200, 30])] {
        for number in 0..each {
            let path = place.path(format!("data/{}", name(class, number)));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let photo = image::RgbImage::from_fn(8, 8, |x, y| {
                image::Rgb(color.map(|value: u8| value + ((x * 3 + y + number) % 19) as u8))
            });
            photo.save(path).unwrap();
        }
    }
}

/// Trains one epoch of the tiny rung on `data`.
const TRAIN: [&str; 7] = ["train", "data", "--model", "tiny.toml", "--size", "8", "--out"];

fn train(place: &Workplace, run: &str, more: &[&str]) -> String {
    let output = place.run(&[&TRAIN[..], &[run], more].concat());
    assert!(output.status.success(), "{}", said(&output));
    said(&output) + &String::from_utf8_lossy(&output.stdout)
}

fn refused(place: &Workplace, more: &[&str]) -> String {
    place.error(&[&TRAIN[..], &["refused"], more].concat())
}

/// A place with the tiny rung and no photos.
fn place() -> Workplace {
    let place = Workplace::of_two_colors(1);
    std::fs::remove_dir_all(place.path("data")).unwrap();
    place
}

#[test]
fn parts_by_other_names_are_parts_and_said() {
    let place = place();
    photos(&place, 12, |class, number| match number % 3 {
        0 => format!("test_set/test_set/{class}/{number}.png"),
        _ => format!("training_set/training_set/{class}/{number}.png"),
    });
    let said = train(&place, "run", &[]);
    assert!(
        said.contains("2 classes (green, red)") && said.contains("16 training, 0 validation, 8 test"),
        "{said}"
    );
    assert!(said.contains("test_set/test_set is test"), "{said}");
    let found = place.json(&["inspect", "data"]);
    assert_eq!(
        found["findings"].as_array().unwrap().last().unwrap()["kind"],
        "names"
    );
}

#[test]
fn what_may_be_parts_is_refused_with_the_way_out() {
    let place = place();
    photos(&place, 12, |class, number| match number % 4 {
        0 => format!("test/{class}{number}.png"),
        _ => format!("train/{class}.{number}.png"),
    });
    for command in [refused(&place, &[]), place.error(&["inspect", "data"])] {
        assert!(command.contains("look like parts"), "{command}");
        assert!(command.contains("--class-from '{class}.{number}.*'"), "{command}");
        assert!(command.contains("--layout class"), "{command}");
    }
    let said = train(&place, "run", &["--class-from", "red.1.png"]);
    assert!(said.contains("18 training"), "{said}");
    assert!(
        said.contains("warning: 6 photos left out, as the pattern finds no class"),
        "{said}"
    );
    let said = train(&place, "as-classes", &["--layout", "class"]);
    assert!(said.contains("2 classes (test, train)"), "{said}");
}

#[test]
fn a_run_keeps_how_its_photos_were_read() {
    let place = place();
    photos(&place, 18, |class, number| {
        format!("day{}/{class}/{number}.png", number % 6)
    });
    let said = train(&place, "plain", &["--classes", "day0,day1"]);
    assert!(
        said.contains("warning: the classes are day0, day1") && said.contains("--layout group/class"),
        "{said}"
    );
    assert!(said.contains("2 of 6 classes taken"), "{said}");
    let said = train(&place, "run", &["--layout", "group/class"]);
    assert!(
        said.contains("2 classes (green, red)") && said.contains("6, each in one part"),
        "{said}"
    );
    let split = place.read("run/split.tsv");
    for day in 0..6 {
        let rows = split.lines().filter(|row| row.starts_with(&format!("day{day}/")));
        let parts: std::collections::BTreeSet<_> = rows.map(|row| row.rsplit('\t').next().unwrap()).collect();
        assert_eq!(parts.len(), 1, "day{day}: {split}");
    }
    let config: serde_json::Value = serde_json::from_str(&place.read("run/config.json")).unwrap();
    assert_eq!(config["data"]["reading"]["layout"], "group/class");
    let figures = place.json(&["evaluate", "run"]);
    assert!(figures["figures"]["images"].as_u64().unwrap() >= 6);
    let compared = place.json(&["compare", "plain", "run"]);
    assert!(compared.to_string().contains("group/class"), "{compared}");
}

#[test]
fn photos_that_have_moved_are_the_runs_own_where_the_content_agrees() {
    let place = place();
    photos(&place, 24, |class, number| format!("set/{class}/{number}.png"));
    train(&place, "run", &[]);
    let own = place.json(&["evaluate", "run"]);
    std::fs::rename(place.path("data/set"), place.path("elsewhere")).unwrap();
    std::fs::remove_dir_all(place.path("data")).unwrap();
    std::fs::rename(place.path("run/summary.json"), place.path("summary.json")).unwrap();
    for command in [&["evaluate", "run"][..], &["resume", "run"]] {
        let gone = place.error(command);
        assert!(
            gone.contains("--data") && gone.matches("No such file").count() == 1,
            "{gone}"
        );
    }
    std::fs::rename(place.path("summary.json"), place.path("run/summary.json")).unwrap();
    let moved = place.json(&["evaluate", "run", "--data", "elsewhere"]);
    assert_eq!(moved["own_photos"], true);
    assert_eq!(
        (&moved["part"], &moved["figures"]),
        (&own["part"], &own["figures"])
    );
    let all = place.json(&["evaluate", "run", "--data", "elsewhere", "--part", "all"]);
    assert_eq!(all["figures"]["images"], 48);

    std::fs::copy(
        place.path("elsewhere/red/1.png"),
        place.path("elsewhere/red/2.png"),
    )
    .unwrap();
    assert!(
        place
            .error(&["resume", "run", "--data", "elsewhere"])
            .contains("has other content")
    );
    let other = place.json(&["evaluate", "run", "--data", "elsewhere"]);
    assert_eq!(
        (&other["own_photos"], &other["figures"]["images"]),
        (&false.into(), &48.into())
    );
    photos(&place, 24, |class, number| format!("{class}/{number}.png"));
    place.json(&["resume", "run", "--data", "data"]);
    std::fs::rename(place.path("elsewhere"), place.path("gone")).unwrap();
    assert_eq!(place.json(&["evaluate", "run"])["figures"], own["figures"]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_on_request_alone() {
    use std::os::unix::fs::symlink;
    let place = place();
    photos(&place, 12, |class, number| format!("{class}/{number}.png"));
    std::fs::rename(place.path("data"), place.path("disk")).unwrap();
    std::fs::create_dir(place.path("data")).unwrap();
    for class in ["red", "green"] {
        symlink(place.path("disk").join(class), place.path("data").join(class)).unwrap();
    }
    let said = refused(&place, &[]);
    assert!(
        said.contains("symbolic links were not followed: 2 of them, such as green")
            && said.contains("--follow-links"),
        "{said}"
    );
    train(&place, "run", &["--follow-links"]);
    place.json(&["evaluate", "run", "--part", "all"]);
    assert!(
        place
            .error(&["predict", "run", "data"])
            .contains("--follow-links")
    );
    assert!(
        place
            .run(&["predict", "run", "data", "--follow-links"])
            .status
            .success()
    );
}

#[cfg(unix)]
#[test]
fn a_folder_whose_name_is_not_utf8_is_trained_on_and_found_again() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let place = place();
    photos(&place, 12, |class, number| format!("{class}/{number}.png"));
    let name = OsStr::from_bytes(b"caf\xe9");
    std::fs::rename(place.path("data"), place.path(name)).unwrap();
    let mut command = place.command(&["train"]);
    command
        .arg(name)
        .args(["--model", "tiny.toml", "--size", "8", "--out", "run"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(place.read("run/config.json").contains("caf\\\\xE9"));
    place.json(&["evaluate", "run", "--part", "all"]);
}

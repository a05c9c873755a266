//! `stepladder inspect` from the outside: what it says, what it writes, and that `train` takes the table that it wrote.

mod command;

use command::{Workplace, test_data};
use std::path::Path;

/// Photos of two classes, of which some are copies; `parts` are the folders above the classes.
fn photos(place: &Workplace, parts: &[&str]) {
    for (number, part) in parts.iter().enumerate() {
        for photo in 0..12_u32 {
            let seed = photo + number as u32 * 100;
            save(
                &place.path(format!(
                    "data/{part}/{}/{photo:02}.png",
                    ["a", "b"][photo as usize % 2]
                )),
                seed,
            );
        }
    }
}

fn save(path: &Path, seed: u32) {
    let picture = image::RgbImage::from_fn(48, 40, |x, y| {
        let wave = f64::from(x * (seed % 7 + 1) + y * (seed % 5 + 2) + seed * 13) / 9.0;
        let light = (127.0 + 100.0 * wave.sin()) as u8;
        image::Rgb([light, light / 2, (x * 5) as u8])
    });
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.save(path).unwrap();
}

#[test]
fn findings_are_said_in_words_as_data_and_as_a_page() {
    let place = Workplace::new();
    photos(&place, &["."]);
    std::fs::copy(place.path("data/a/00.png"), place.path("data/b/same.png")).unwrap();
    std::fs::write(place.path("data/a/page.jpg"), "<html>").unwrap();
    let output = place.run(&["inspect", "data", "--html", "page.html", "--fix", "kept.csv"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said = String::from_utf8(output.stdout).unwrap();
    for words in [
        "13 in 2 classes",
        "1 picture under more than one label",
        "a/00.png = b/same.png",
        "a/page.jpg: ",
        "stepladder train data --table kept.csv",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let page = place.read("page.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("b/same.png"));
    assert!(
        !page.contains("http://") && !page.contains("https://"),
        "it loads nothing"
    );
    let table = place.read("kept.csv");
    assert!(table.starts_with("file,class\n") && !table.contains("same.png") && !table.contains("a/00.png"));
    assert_eq!(table.lines().count(), 12);

    let found = place.json(&["inspect", "data"]);
    assert_eq!(found["findings"][0]["kind"], "two_labels");
    assert_eq!(found["classes"][1]["photos"], 7);
    let trained = place.json(&[
        "train", "--model", "baseline", "data", "--table", "kept.csv", "--epochs", "1", "--size", "16",
        "--out", "run",
    ]);
    assert_eq!(trained["classes"], serde_json::json!(["a", "b"]));
}

#[test]
fn leaks_are_found_across_archives_and_train_says_so() {
    let place = Workplace::new();
    photos(&place, &["train", "test"]);
    std::fs::copy(
        place.path("data/train/a/02.png"),
        place.path("data/test/a/leak.png"),
    )
    .unwrap();
    let found = place.json(&["inspect", "--train", "data/train", "--test", "data/test"]);
    assert_eq!(found["findings"][0]["kind"], "leak");
    assert_eq!(found["findings"][0]["groups"][0][0]["file"], "test/a/leak.png");
    assert_eq!(found["classes"][0]["parts"], serde_json::json!([6, 0, 7]));
    let output = place.run(&[
        "train", "--model", "baseline", "data", "--epochs", "1", "--size", "16", "--out", "run", "--json",
    ]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("warning: 1 photo in more than one part"), "{said}");
    assert!(said.contains("class a has 6 photos to train on"), "{said}");
}

#[test]
fn nothing_is_overwritten_and_mistakes_are_named_first() {
    let place = Workplace::new();
    photos(&place, &["."]);
    std::fs::write(place.path("mine.csv"), "precious").unwrap();
    assert!(
        place
            .error(&["inspect", "data", "--fix", "mine.csv"])
            .contains("mine.csv")
    );
    assert_eq!(place.read("mine.csv"), "precious");
    assert!(
        place
            .error(&["inspect", "data", "--fix", "table.txt"])
            .contains(".csv or .tsv")
    );
    assert!(
        place
            .error(&["inspect", "data", "--html", "data/a/00.png"])
            .contains(".html")
    );
    let separate = [
        "inspect", "--train", "data", "--test", "data", "--fix", "kept.csv",
    ];
    assert!(place.error(&separate).contains("one data set"));
    assert!(place.error(&["inspect", "gone.zip"]).contains("gone.zip"));
}

/// A full disk under the cache, as a limit on the size of files that the shell sets.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_the_cache_is_said_and_leaves_nothing() {
    let place = Workplace::new();
    photos(&place, &["."]);
    let line = format!(
        "trap '' XFSZ; ulimit -f 8; exec {} train data --epochs 1 --size 40 --out run",
        env!("CARGO_BIN_EXE_stepladder")
    );
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", &line])
        .current_dir(place.path("."))
        .env("STEPLADDER_CACHE", place.path("cache"));
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("cannot write the photo cache"),
        "{said}"
    );
    assert!(said.contains("--cache") && !said.contains("panicked"), "{said}");
    assert_eq!(std::fs::read_dir(place.path("cache")).unwrap().count(), 0);
}

#[test]
fn an_archive_that_points_outside_writes_nothing_there() {
    let Some(zip) = test_data("dirty/zips/zipslip.zip") else {
        return;
    };
    let place = Workplace::new();
    std::fs::create_dir(place.path("here")).unwrap();
    let mut command = place.command(&[
        "train",
        "--model",
        "baseline",
        zip.to_str().unwrap(),
        "--epochs",
        "1",
        "--size",
        "16",
        "--out",
        "run",
    ]);
    assert!(
        command
            .current_dir(place.path("here"))
            .output()
            .unwrap()
            .status
            .success()
    );
    let names = |folder: &str| -> Vec<String> {
        let listed = std::fs::read_dir(place.path(folder)).unwrap();
        let mut names: Vec<String> = listed
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("."), ["cache", "here"]);
    assert_eq!(names("here"), ["run"]);
}

#[test]
fn what_the_reference_sets_say_of_themselves_is_found() {
    let place = Workplace::new();
    if let Some(zip) = test_data("dirty/dirty_dataset.zip") {
        let found = place.json(&["inspect", zip.to_str().unwrap()]);
        let text = found["findings"].to_string();
        for name in [
            "roses/duplicate_of_tulip.jpg",
            "roses/copy of rose.jpg",
            "tulips/zero_byte.jpg",
            "daisy/one_pixel.png",
        ] {
            assert!(text.contains(name), "{name}");
        }
    }
    // The small set is a part of the large one, encoded anew at 96 px.
    let sets = test_data("flowers5/flowers5.zip").zip(test_data("small_flowers5/small_flowers5.zip"));
    let Some((large, small)) = sets else { return };
    let found = place.json(&[
        "inspect",
        "--train",
        large.to_str().unwrap(),
        "--test",
        small.to_str().unwrap(),
    ]);
    let leak = &found["findings"][0];
    assert_eq!(leak["kind"], "leak");
    let leaked = leak["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group.as_array().unwrap());
    let leaked = leaked.filter(|member| member["part"] == "test").count();
    assert!(leaked >= 198, "{leaked} of 200");
}

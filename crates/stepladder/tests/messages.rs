//! What the program says when something is wrong: which thing, what about it, and what to do.

mod command;

use command::Workplace;

/// Asserts that the message holds each phrase and no trace of a panic.
fn says(message: &str, phrases: &[&str]) {
    for phrase in phrases {
        assert!(message.contains(phrase), "no \"{phrase}\" in: {message}");
    }
}

#[test]
fn a_rung_that_does_not_exist_is_answered_with_those_that_do() {
    let place = Workplace::new();
    says(
        &place.error(&["train", "--model", "inception"]),
        &["inception", "baseline"],
    );
    says(
        &place.error(&["train", "--model", "resnet"]),
        &["did you mean `resnet18`?"],
    );
    says(&place.error(&["models", "m99"]), &["m99", "did you mean `m9`?"]);
}

#[test]
fn a_wrong_override_names_the_key() {
    let place = Workplace::new();
    says(
        &place.error(&[
            "train",
            "--model",
            "baseline",
            "--set",
            "optimizer.learning_rte=0.1",
        ]),
        &["learning_rte", "learning_rate"],
    );
    says(
        &place.error(&["train", "--model", "baseline", "--set", "epochs"]),
        &["--set key=value"],
    );
    says(
        &place.error(&["train", "--model", "baseline", "--lr", "-1"]),
        &["learning_rate"],
    );
}

#[test]
fn a_mistake_in_a_rung_file_is_found_by_line() {
    let place = Workplace::new();
    let rung = "name = \"mine\"\nparent = \"baseline\"\nchange = \"a slip\"\n\n[training]\nepoch = 3\n";
    std::fs::write(place.path("mine.toml"), rung).unwrap();
    says(
        &place.error(&["train", "--model", "mine.toml"]),
        &["mine.toml:6", "epoch", "epochs"],
    );
}

#[test]
fn an_input_too_small_for_the_network_names_the_layer() {
    let place = Workplace::new();
    says(&place.error(&["train", "--model", "m5", "--size", "16"]), &["16"]);
}

#[test]
fn data_that_is_not_there_or_of_one_class_is_said() {
    let place = Workplace::new();
    says(
        &place.error(&["train", "--model", "baseline", "no-such.zip"]),
        &["no-such.zip"],
    );
    std::fs::create_dir_all(place.path("photos/only")).unwrap();
    image::RgbImage::new(8, 8)
        .save(place.path("photos/only/a.png"))
        .unwrap();
    says(
        &place.error(&["train", "--model", "baseline", "photos"]),
        &["only one class", "only"],
    );
    std::fs::create_dir_all(place.path("empty")).unwrap();
    says(
        &place.error(&["train", "--model", "baseline", "empty"]),
        &["empty", "no usable photos"],
    );
}

#[test]
fn a_directory_in_use_is_never_overwritten() {
    let place = Workplace::new();
    std::fs::create_dir_all(place.path("thesis")).unwrap();
    std::fs::write(place.path("thesis/chapter.txt"), "mine").unwrap();
    says(
        &place.error(&[
            "train", "--model", "baseline", "--epochs", "1", "--size", "32", "--out", "thesis",
        ]),
        &["thesis", "not empty", "--out"],
    );
    assert_eq!(place.read("thesis/chapter.txt"), "mine");
}

#[test]
fn a_file_that_is_no_model_is_refused_by_name() {
    let place = Workplace::new();
    std::fs::write(place.path("model.safetensors"), "not weights").unwrap();
    says(
        &place.error(&["predict", "model.safetensors", "a.jpg"]),
        &["model.safetensors", "damaged"],
    );
    says(
        &place.error(&["predict", "nowhere", "a.jpg"]),
        &["nowhere", "does not exist"],
    );
}

#[test]
fn a_back_end_that_is_not_built_in_says_how_to_get_it() {
    let place = Workplace::new();
    if !cfg!(feature = "cuda") {
        says(
            &place.error(&["train", "--model", "baseline", "--device", "cuda"]),
            &["--features cuda"],
        );
    }
}

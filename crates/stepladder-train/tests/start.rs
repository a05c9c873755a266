//! Trainings that start from pretrained weights: what is kept, what is fitted, and that a run that was stopped or killed anywhere
//! ends in the same bytes.

mod place;

use place::Place;
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use stepladder_classifier::Classifier;
use stepladder_data::{DataError, Progress};
use stepladder_nn::{Array, Device};
use stepladder_train::{
    EpochRecord, Observer, Outcome, Prepared, RunDirectory, StepRecord, TrainError, train_or_resume,
};

const LAYERS: &str = r#"
layers = [
  { layer = "Conv2D", name = "stem", filters = 6, kernel_size = 3, use_bias = false },
  { layer = "BatchNormalization", name = "norm" },
  { layer = "Activation", activation = "relu" },
  { layer = "Conv2D", name = "top", filters = 9, kernel_size = 3, strides = 2, activation = "relu" },
  { layer = "GlobalAveragePooling2D" },
  { layer = "Dense", name = "head", units = "classes", activation = "softmax" },
]
"#;

/// A rung of two epochs on these layers, with more tables.
fn rung(tables: &str) -> String {
    format!(
        "name = \"tiny\"\nparent = \"baseline\"\nchange = \"test\"\n{LAYERS}\nearly_stopping = false\n[training]\nepochs = 2\nbatch_size = 8\n[augmentation]\nhorizontal_flip = true\n{tables}"
    )
}

/// `[start]` from the run in `first`.
fn start(place: &Place, keys: &str) -> String {
    let first = place.path("first");
    let weights = serde_json::to_string(&format!("run:{}", first.display())).unwrap();
    format!("[start]\nweights = {weights}\n{keys}\n")
}

/// A place with a run that others start from.
fn place() -> Place {
    let place = Place::new();
    let summary = place
        .sit(&place.request("first", &rung("")), None, false)
        .unwrap();
    assert_eq!(summary.outcome, Outcome::Finished);
    place
}

fn arrays(place: &Place, run: &str) -> Vec<Array> {
    let path = place.path(run).join("model.safetensors");
    Classifier::load(&path, Device::Cpu).unwrap().model().to_arrays()
}

fn named<'a>(arrays: &'a [Array], name: &str) -> &'a Array {
    arrays.iter().find(|array| array.name == name).unwrap()
}

fn document(place: &Place, run: &str, name: &str) -> Value {
    let text = std::fs::read_to_string(place.path(run).join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn assert_same(place: &Place, a: &str, b: &str) {
    for name in [
        "model.safetensors",
        "test_predictions.tsv",
        "steps.jsonl",
        "start.json",
        "config.json",
    ] {
        let bytes = |run: &str| std::fs::read(place.path(run).join(name)).unwrap();
        assert!(bytes(a) == bytes(b), "{name} of {b} differs");
    }
}

/// Stops a training while it computes features, after so many photos.
struct StopsAt {
    photos: u64,
    seen: AtomicU64,
    flag: AtomicBool,
}

impl Progress for StopsAt {
    fn start(&self, _: u64, _: &str) {
        self.seen.store(0, Ordering::Relaxed);
    }
    fn advance(&self, photos: u64) {
        self.seen.fetch_add(photos, Ordering::Relaxed);
    }
    fn finish(&self) {}
    fn is_cancelled(&self) -> bool {
        self.seen.load(Ordering::Relaxed) > self.photos
    }
}

impl Observer for StopsAt {
    fn progress(&self) -> &dyn Progress {
        self
    }
    fn prepared(&self, _: &Prepared, _: &RunDirectory) {}
    fn step(&self, _: &StepRecord, _: usize, _: usize) {}
    fn epoch(&self, _: &EpochRecord, _: usize) {}
}

#[test]
fn a_frozen_backbone_keeps_its_bits_and_its_head_is_fitted() {
    let place = place();
    let rung = rung(&start(&place, ""));
    let summary = place.sit(&place.request("exact", &rung), None, false).unwrap();
    assert_eq!((summary.outcome, summary.epochs), (Outcome::Finished, 1));
    // The photos' classes differ in their red alone, which any features tell.
    assert!(summary.train_accuracy.unwrap() > 0.9, "{summary:?}");
    let (before, after) = (arrays(&place, "first"), arrays(&place, "exact"));
    for array in &before {
        let is_head = array.name.starts_with("head");
        assert_eq!(named(&after, &array.name) != array, is_head, "{}", array.name);
    }
    let record = document(&place, "exact", "start.json");
    assert_eq!(record["head"]["features"], 9);
    assert_eq!(record["missing"], serde_json::json!([]));
    assert_eq!(record["unused"], serde_json::json!([]));
    // What the whole network says is what its features said.
    let classifier = Classifier::load(&place.path("exact/model.safetensors"), Device::Cpu).unwrap();
    let record = classifier.training().unwrap();
    let test = record.test.unwrap();
    let table = std::fs::read_to_string(place.path("exact/test_predictions.tsv")).unwrap();
    let right = table.lines().skip(1).filter(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        columns[1] == columns[2]
    });
    assert_eq!(right.count(), test.right);
    // Other threads, and another cache, give the same.
    let mut alone = place.request("alone", &rung);
    alone.threads = 1;
    alone.cache.dir = place.path("other cache");
    place.sit(&alone, None, false).unwrap();
    let model = |run: &str| std::fs::read(place.path(run).join("model.safetensors")).unwrap();
    assert!(model("exact") == model("alone"));
}

#[test]
fn features_that_were_stopped_or_damaged_end_in_the_same_bytes() {
    let place = place();
    let rung = rung(&start(&place, ""));
    place.sit(&place.request("whole", &rung), None, false).unwrap();
    let features = || {
        let files = std::fs::read_dir(place.path("cache"))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        files
            .filter(|path| path.extension().is_some_and(|extension| extension == "features"))
            .collect::<Vec<_>>()
    };
    assert_eq!(features().len(), 1);
    for photos in [0, 33] {
        features()
            .iter()
            .for_each(|path| std::fs::remove_file(path).unwrap());
        let name = format!("stopped {photos}");
        let request = place.request(&name, &rung);
        let stopper = StopsAt {
            photos,
            seen: AtomicU64::new(0),
            flag: AtomicBool::new(false),
        };
        let stopped = train_or_resume(&request, &stopper, &stopper.flag);
        if photos == 0 {
            assert!(
                matches!(stopped, Err(TrainError::Data(DataError::Cancelled))),
                "{stopped:?}"
            );
            assert!(!place.path(&name).join("summary.json").exists());
        }
        place.sit(&request, None, false).unwrap();
        assert_same(&place, "whole", &name);
    }
    for damage in [100, 700, 1500] {
        let path = features().remove(0);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[damage] ^= 4;
        std::fs::write(&path, &bytes[..bytes.len() - damage]).unwrap();
        let name = format!("damaged {damage}");
        place.sit(&place.request(&name, &rung), None, false).unwrap();
        assert_same(&place, "whole", &name);
    }
}

#[test]
fn fine_tuning_that_is_stopped_anywhere_goes_on_exactly() {
    let place = place();
    for (case, keys) in [
        "frozen = \"none\"\nlearning_rate_decay = 0.5",
        "frozen = \"norm\"\nfrozen_statistics = false",
        "frozen = \"backbone\"\nexact_head = false",
    ]
    .into_iter()
    .enumerate()
    {
        let rung = rung(&start(&place, keys));
        let name = |run: &str| format!("{run} {case}");
        place
            .sit(&place.request(&name("whole"), &rung), None, false)
            .unwrap();
        let steps = std::fs::read_to_string(place.path(&name("whole")).join("steps.jsonl")).unwrap();
        let steps = steps.lines().count() as u64;
        assert!(steps >= 6, "{steps} steps");
        for at in [0, steps / 2, steps - 1] {
            let run = name(&format!("at {at}"));
            let stopped = place.sit(&place.request(&run, &rung), Some(at), false).unwrap();
            assert_eq!(stopped.outcome, Outcome::Interrupted);
            place.sit(&place.request(&run, &rung), None, false).unwrap();
            place.assert_same(&name("whole"), &run);
        }
        let (before, after) = (arrays(&place, "first"), arrays(&place, &name("whole")));
        let frozen: &[&str] = match keys.contains("none") {
            true => &["norm/moving_mean", "norm/moving_variance"],
            false => &["stem/kernel", "norm/gamma", "norm/moving_mean"],
        };
        for array in frozen {
            assert_eq!(named(&before, array), named(&after, array), "{keys}");
        }
        assert_ne!(named(&before, "head/kernel"), named(&after, "head/kernel"));
    }
}

#[test]
fn layers_are_unfrozen_phase_by_phase_from_the_top() {
    let place = place();
    let head = "[[phase]]\nuntil = 0.5\nfrozen = \"backbone\"\n[[phase]]\nuntil = 1.0\n";
    for (case, last, held) in [("all", "", false), ("top", "frozen = \"norm\"\n", true)] {
        let keys = format!("frozen = \"none\"\nexact_head = false\n{head}{last}");
        let rung = rung(&start(&place, &keys));
        let whole = format!("whole {case}");
        place.sit(&place.request(&whole, &rung), None, false).unwrap();
        let steps = std::fs::read_to_string(place.path(&whole).join("steps.jsonl")).unwrap();
        let steps = steps.lines().count() as u64;
        // At the first step, just before and after the second phase begins, and at the last.
        for at in [0, steps / 2 - 1, steps / 2, steps - 1] {
            let run = format!("{case} at {at}");
            place.sit(&place.request(&run, &rung), Some(at), false).unwrap();
            place.sit(&place.request(&run, &rung), None, false).unwrap();
            place.assert_same(&whole, &run);
        }
        let (before, after) = (arrays(&place, "first"), arrays(&place, &whole));
        let is_same = |name: &str| named(&before, name) == named(&after, name);
        assert!(!is_same("top/kernel") && is_same("stem/kernel") == held, "{case}");
    }
    let scratch = "[[phase]]\nuntil = 1.0\nfrozen = \"backbone\"\n";
    let catalog = stepladder_model::RungCatalog::shipped();
    let message = stepladder_model::Rung::from_toml(&rung(scratch), "t.toml", &catalog).unwrap_err();
    assert!(message.to_string().contains("write a [start] table"), "{message}");
}

/// Training longer begins where the run ended, and a class that it did not know gets a column of its own.
#[test]
fn heads_keep_the_classes_that_they_know() {
    let place = place();
    for class in ["beech", "date palm"] {
        let folder = place.path("trees").join(class);
        std::fs::create_dir_all(&folder).unwrap();
        for n in 0..14_u8 {
            let pixel = |x: u32, y: u32| image::Rgb([(x * 9) as u8, 40 + n, (y * 5) as u8]);
            image::RgbImage::from_fn(16, 16, pixel)
                .save(folder.join(format!("{n}.png")))
                .unwrap();
        }
    }
    let tables = start(&place, "head = \"by_class_name\"\nfrozen = \"none\"");
    // So slow that no weight moves.
    let rung = rung(&format!(
        "{tables}[optimizer]\ntype = \"sgd\"\nlearning_rate = 1e-30\n"
    ));
    place.sit(&place.request("more", &rung), None, false).unwrap();
    let (before, after) = (arrays(&place, "first"), arrays(&place, "more"));
    assert_eq!(named(&before, "top/kernel"), named(&after, "top/kernel"));
    let (old, new) = (named(&before, "head/kernel"), named(&after, "head/kernel"));
    assert_eq!((&old.shape[..], &new.shape[..]), (&[9, 3][..], &[9, 5][..]));
    let column = |array: &Array, classes: usize, class: usize| -> Vec<f32> {
        array
            .values
            .iter()
            .skip(class)
            .step_by(classes)
            .copied()
            .collect()
    };
    // ash, beech, birch, cedar, date palm
    for (class, known) in [(0, 0), (2, 1), (3, 2)] {
        assert_eq!(column(new, 5, class), column(old, 3, known));
    }
    assert_ne!(column(new, 5, 1), column(new, 5, 4));
    let record = document(&place, "more", "start.json");
    assert_eq!(
        record["kept_classes"],
        serde_json::json!(["ash", "birch", "cedar"])
    );
}

#[test]
fn weights_of_something_else_are_refused_with_the_remedy() {
    let place = place();
    let refused = |rung: &str| {
        let outcome = place.sit(&place.request("refused", rung), None, false);
        outcome.unwrap_err().to_string()
    };
    let wider = rung(&start(&place, "")).replace("filters = 6", "filters = 7");
    let message = refused(&wider);
    assert!(
        message.contains("stem/kernel") && message.contains("freeze less"),
        "{message}"
    );
    let renamed = rung(&start(&place, ""))
        .replace("\"stem\"", "\"a\"")
        .replace("\"norm\"", "\"b\"")
        .replace("\"top\"", "\"c\"");
    let message = refused(&renamed);
    assert!(
        message.contains("nothing in it fits")
            && message.contains("take weights of this network, or the rung of the network"),
        "{message}"
    );
    let message = refused(&rung(&start(
        &place,
        &format!("sha256 = \"{}\"", "ab".repeat(32)),
    )));
    assert!(message.contains("sha256"), "{message}");
    let message = refused(&rung("[start]\nweights = \"run:nowhere\"\n"));
    assert!(message.contains("nowhere"), "{message}");
    assert!(!place.path("refused").exists());
    let headless =
        rung(&start(&place, "")).replace("units = \"classes\"", "units = \"classes\", use_bias = false");
    assert!(refused(&headless).contains("bias"));
}

/// Files that are no weights: whatever their bytes, an error that names them.
#[test]
fn files_that_are_no_weights_are_refused() {
    let place = place();
    let whole = std::fs::read(place.path("first/model.safetensors")).unwrap();
    for (name, bytes) in [
        ("empty.safetensors", &[][..]),
        ("text.pth", b"not weights at all"),
        ("half.safetensors", &whole[..whole.len() / 2]),
    ] {
        std::fs::write(place.path(name), bytes).unwrap();
        let path = serde_json::to_string(&place.path(name).display().to_string()).unwrap();
        let rung = rung(&format!("[start]\nweights = {path}\n"));
        let message = place
            .sit(&place.request("refused", &rung), None, false)
            .unwrap_err()
            .to_string();
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn a_run_does_not_go_on_from_other_weights() {
    let place = place();
    let rung = rung(&start(&place, "frozen = \"none\""));
    let request = place.request("run", &rung);
    assert_eq!(
        place.sit(&request, Some(2), false).unwrap().outcome,
        Outcome::Interrupted
    );
    let mut other = place.request("other", &self::rung(""));
    other.seed = 6;
    place.sit(&other, None, false).unwrap();
    let model = |run: &str| place.path(run).join(Path::new("model.safetensors"));
    std::fs::copy(model("other"), model("first")).unwrap();
    let message = place.sit(&request, None, false).unwrap_err().to_string();
    assert!(message.contains("sha256"), "{message}");
}

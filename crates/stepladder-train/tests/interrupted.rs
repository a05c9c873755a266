//! A training that is interrupted at any step, or at each, and goes on leaves what an uninterrupted one leaves.

mod place;

use place::{Place, Stopper};
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use stepladder_data::CacheConfig;
use stepladder_model::{Rung, RungCatalog};
use stepladder_train::{
    Controls, Outcome, RunDirectory, RunError, Summary, TrainError, TrainingRequest, train,
};

/// Everything that has a state: moments, an average of the weights, dropout, batch statistics, a schedule, both callbacks,
/// augmentation, mixing, class weights.
const RUNG: &str = r#"
name = "tiny"
parent = "baseline"
change = "Small, with everything that a checkpoint must hold"
layers = [
  { layer = "Conv2D", filters = 4, kernel_size = 3, activation = "relu" },
  { layer = "BatchNormalization" },
  { layer = "GlobalAveragePooling2D" },
  { layer = "Dropout", rate = 0.2 },
  { layer = "Dense", units = "classes", activation = "softmax" },
]
schedule = { type = "cosine", warmup_epochs = 1 }
optimizer = { type = "adam", use_ema = true, ema_momentum = 0.9, global_clipnorm = 1.0, weight_decay = 0.01 }

[training]
epochs = 4
batch_size = 8
label_smoothing = 0.1
class_weights = "balanced"
mixup_alpha = 0.4
cutmix_alpha = 1.0

[early_stopping]
monitor = "val_loss"
patience = 3
restore_best_weights = true

[reduce_lr_on_plateau]
monitor = "loss"
patience = 1
factor = 0.5
min_delta = 0.5

[augmentation]
horizontal_flip = true
rotation_range = 20
"#;

#[test]
fn interrupted_at_any_step_it_goes_on_exactly() {
    let place = Place::new();
    let whole = place.sit(&place.request("whole", RUNG), None, false).unwrap();
    assert_ne!(whole.outcome, Outcome::Interrupted);
    let text = std::fs::read_to_string(place.path("whole/steps.jsonl")).unwrap();
    let steps = text.lines().count() as u64;
    assert!(steps >= 12, "{steps} steps show too little");
    for step in 0..steps {
        let run = format!("at-{step}");
        assert_eq!(
            place
                .sit(&place.request(&run, RUNG), Some(step), false)
                .unwrap()
                .outcome,
            Outcome::Interrupted
        );
        let summary = place.sit(&place.request(&run, RUNG), None, false).unwrap();
        assert_eq!(
            (summary.outcome, summary.test_loss),
            (whole.outcome, whole.test_loss)
        );
        place.assert_same("whole", &run);
    }
    // One step a sitting.
    while place
        .sit(&place.request("each", RUNG), None, true)
        .unwrap()
        .outcome
        == Outcome::Interrupted
    {}
    place.assert_same("whole", "each");
}

/// The same with crops of whole photos, changes of color, and a mixing that ends.
fn cut() -> String {
    let layers = r#"layers = [
  { layer = "RandomResizedCrop", scale = [0.3, 1.0] },
  { layer = "RandomFlip", mode = "horizontal", alternating = true },
  { layer = "RandomRotation", factor = 0.05 },
  { layer = "ColorJitter", brightness = 0.3, contrast = 0.3, saturation = 0.3, hue = 0.1 },
  { layer = "RandomContrast", factor = 0.2 },
  { layer = "TrivialAugmentWide" },
  { layer = "RandAugment" },
  { layer = "RandomErasing", value = "random" },"#;
    let generator = "[augmentation]\nhorizontal_flip = true\nrotation_range = 20\n";
    let rung = RUNG.replace("layers = [", layers).replace(generator, "");
    let mixing = "cutmix_alpha = 1.0\nmixing_probability = 0.5\nmixing_until = 0.5";
    rung.replace("cutmix_alpha = 1.0", mixing) + "[input]\nsize = 16\nfit = \"pad\"\n"
}

#[test]
fn what_photos_are_cut_and_colored_to_depends_on_no_interruption_and_no_thread() {
    let place = Place::new();
    let rung = cut();
    whole_and_alone(&place, &rung);
    for step in [0, 5, 10] {
        assert_interrupted_is_same(&place, &rung, step);
    }
}

#[test]
fn input_that_is_not_square_depends_on_no_interruption_and_no_thread() {
    let place = Place::new();
    let phases = "phase = [{ until = 0.5, size = [8, 12] }, { until = 1.0, size = [16, 24] }]\n\n[training]";
    let rung = cut().replacen("\n[training]", &format!("\n{phases}"), 1);
    let rung = rung.replace("[input]\nsize = 16", "[input]\nsize = [16, 24]");
    let request = |run: &str| TrainingRequest {
        size: None,
        rung: Rung::from_toml(
            &rung.replace("fit = \"pad\"", "fit = \"pad\"\nenlarge = true"),
            "wide.toml",
            &RungCatalog::shipped(),
        )
        .unwrap(),
        ..place.request(run, &rung)
    };
    let whole = place.sit(&request("whole"), None, false).unwrap();
    assert_eq!(whole.size, [16, 24].into());
    let mut alone = request("alone");
    alone.threads = 1;
    place.sit(&alone, None, false).unwrap();
    place.assert_same("whole", "alone");
    for step in [0, 6, 11] {
        let run = format!("at-{step}");
        place.sit(&request(&run), Some(step), false).unwrap();
        // As `train --resume` reads it back.
        let written = RunDirectory::open(place.path(&run));
        let resumed =
            TrainingRequest::of_run(&written, &[], 2, CacheConfig::new(place.path("cache"))).unwrap();
        place.sit(&resumed, None, false).unwrap();
        place.assert_same("whole", &run);
    }
}

/// The runs `whole`, uninterrupted on two threads, and `alone`, on one; they are the same.
fn whole_and_alone(place: &Place, rung: &str) {
    let whole = place.sit(&place.request("whole", rung), None, false).unwrap();
    assert_ne!(whole.outcome, Outcome::Interrupted);
    let mut alone = place.request("alone", rung);
    alone.threads = 1;
    place.sit(&alone, None, false).unwrap();
    place.assert_same("whole", "alone");
}

fn assert_interrupted_is_same(place: &Place, rung: &str, step: u64) {
    let run = format!("at-{step}");
    place.sit(&place.request(&run, rung), Some(step), false).unwrap();
    place.sit(&place.request(&run, rung), None, false).unwrap();
    place.assert_same("whole", &run);
}

/// Small inputs first, in larger batches; learning rates and decay by groups of parameters; exact statistics at the end.
fn in_phases() -> String {
    let phases = r#"
phase = [{ until = 0.4, size = 8, batch_size = 12 }, { until = 0.8, size = 12 }, { until = 1.0, size = 16 }]
optimizer = { type = "sgd", learning_rate = 0.05, momentum = 0.9, nesterov = true, weight_decay = 0.01, use_ema = true, ema_momentum = 0.9, exclude_from_weight_decay = ["bias", "beta"], learning_rate_multipliers = { beta = 4.0 } }
schedule = { type = "one_cycle", anneal_strategy = "linear" }
"#;
    let without = |rung: String, key: &str| {
        let lines = rung.lines().filter(|line| !line.starts_with(key));
        lines.collect::<Vec<_>>().join("\n")
    };
    let rung = without(without(RUNG.to_string(), "optimizer ="), "schedule =");
    let rung = rung.replace("epochs = 4", "epochs = 5\nprecise_batch_norm = 20");
    let rung = rung.replace("\n[training]", &format!("{phases}\n[training]"));
    rung + "\n[input]\nsize = 16\n[evaluation]\nflips = true\n"
}

#[test]
fn phases_of_a_training_depend_on_no_interruption_and_no_thread() {
    let place = Place::new();
    let rung = in_phases();
    whole_and_alone(&place, &rung);
    let text = std::fs::read_to_string(place.path("whole/steps.jsonl")).unwrap();
    for step in 0..text.lines().count() as u64 {
        assert_interrupted_is_same(&place, &rung, step);
    }
    while place
        .sit(&place.request("each", &rung), None, true)
        .unwrap()
        .outcome
        == Outcome::Interrupted
    {}
    place.assert_same("whole", "each");
}

#[test]
fn a_number_of_steps_ends_a_training_whatever_its_epochs() {
    let place = Place::new();
    let mut request = place.request("steps", &in_phases());
    request.controls.steps = Some(7);
    let summary = place.sit(&request, None, false).unwrap();
    assert_eq!(summary.outcome, Outcome::Finished);
    let text = std::fs::read_to_string(place.path("steps/steps.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 7);
    // Other steps are another training.
    request.controls.steps = Some(8);
    assert!(matches!(
        place.sit(&request, None, false),
        Err(TrainError::OtherRun { .. })
    ));
}

#[test]
fn a_finished_run_is_returned_and_not_trained_again() {
    let place = Place::new();
    let first = place.sit(&place.request("run", RUNG), None, false).unwrap();
    let before = std::fs::metadata(place.path("run/model.safetensors"))
        .unwrap()
        .modified()
        .unwrap();
    // As JSON gives numbers back, which may be one digit at the end away.
    let first: Summary = serde_json::from_str(&serde_json::to_string(&first).unwrap()).unwrap();
    assert_eq!(
        place.sit(&place.request("run", RUNG), Some(0), false).unwrap(),
        first
    );
    let after = std::fs::metadata(place.path("run/model.safetensors"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(before, after);
    assert!(!place.path("run/checkpoints").exists());
    // `train` is for new runs.
    let stopper = Stopper {
        at: None,
        each: false,
        flag: AtomicBool::new(false),
    };
    let again = train(&place.request("run", RUNG), &stopper, &stopper.flag);
    assert!(matches!(again, Err(TrainError::Run(RunError::Occupied { .. }))));
}

#[test]
fn a_run_killed_while_it_was_set_up_begins_anew_and_foreign_files_are_left_alone() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("half/checkpoints")).unwrap();
    std::fs::write(place.path("half/rung.toml"), "half").unwrap();
    std::fs::write(place.path("half/.stepladder-x7"), "half").unwrap();
    place.sit(&place.request("half", RUNG), None, false).unwrap();

    std::fs::create_dir_all(place.path("thesis")).unwrap();
    std::fs::write(place.path("thesis/chapter.txt"), "mine").unwrap();
    assert!(matches!(
        place.sit(&place.request("thesis", RUNG), None, false),
        Err(TrainError::Run(RunError::Occupied { .. }))
    ));
    assert_eq!(std::fs::read_dir(place.path("thesis")).unwrap().count(), 1);
}

#[test]
fn a_budget_decides_the_steps_once_and_pieces_are_kept() {
    let place = Place::new();
    let mut request = place.request("budget", RUNG);
    request.controls = Controls {
        budget: Some(Duration::from_secs(2)),
        // A few photos fit, a batch of eight does not.
        memory: Some(1 << 18),
        ..Controls::default()
    };
    assert_eq!(
        place.sit(&request, Some(3), false).unwrap().outcome,
        Outcome::Interrupted
    );
    let config = || {
        let text = std::fs::read_to_string(place.path("budget/config.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let decided = config();
    let steps = decided["steps"].as_u64().unwrap();
    let at_once = decided["photos_at_once"].as_u64().unwrap();
    assert!((1..8).contains(&at_once), "{at_once} of 8");
    // Time does not count any more.
    std::thread::sleep(Duration::from_millis(300));
    place.sit(&request, None, false).unwrap();
    assert_eq!(config(), decided);
    let text = std::fs::read_to_string(place.path("budget/steps.jsonl")).unwrap();
    let taken = text.lines().count() as u64;
    assert!(taken <= steps, "{taken} of {steps}");
    request.controls.budget = Some(Duration::from_secs(3));
    assert!(matches!(
        place.sit(&request, None, false),
        Err(TrainError::OtherRun { .. })
    ));
}

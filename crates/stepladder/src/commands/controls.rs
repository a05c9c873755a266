//! What the everyday controls of `train` mean, as values of the rung.

use crate::arguments::{ControlArguments, Epochs, Patience, TrainArguments, weights_file};
use anyhow::Context;
use std::num::NonZeroU64;
use std::path::Path;
use stepladder_model::{Rung, Schedule};
use stepladder_train::Controls;

/// With `--epochs auto`: the most epochs, the epochs without improvement after which the rate falls and after which training ends, and
/// what the rate falls to.
const AUTO: [(&str, &str); 6] = [
    ("training.epochs", "1000"),
    ("early_stopping.patience", "20"),
    ("early_stopping.restore_best_weights", "true"),
    ("reduce_lr_on_plateau.patience", "6"),
    ("reduce_lr_on_plateau.factor", "0.3"),
    ("reduce_lr_on_plateau.monitor", "val_loss"),
];

/// The values that the options set, in order. `rung` is what they are set in, other overrides applied.
pub(super) fn values(arguments: &TrainArguments, rung: &Rung) -> anyhow::Result<Vec<(String, String)>> {
    let controls = &arguments.controls;
    let mut values: Vec<(String, String)> = Vec::new();
    let mut set = |key: &str, value: String| values.push((key.to_string(), value));
    if let Some(course) = controls.schedule {
        set("schedule.type", course.name().to_string());
    }
    if let Some(warmup) = controls.warmup {
        let course = controls.schedule.map(|course| course.name());
        let is_cosine = match course {
            Some(name) => name == "cosine",
            None => matches!(rung.schedule, Schedule::Cosine { .. }),
        };
        anyhow::ensure!(
            is_cosine,
            "--warmup belongs to the cosine schedule; add --schedule cosine (one-cycle warms up by itself: schedule.warmup_fraction)"
        );
        set("schedule.warmup_epochs", format!("{warmup:?}"));
    }
    match arguments.epochs {
        None => {}
        Some(Epochs::AtMost(epochs)) => set("training.epochs", whole(epochs)),
        Some(Epochs::Auto) => {
            let constant = match controls.schedule {
                Some(course) => course.name() == "constant",
                None => rung.schedule == Schedule::Constant,
            };
            anyhow::ensure!(
                constant,
                "--epochs auto needs a rate that does not know its end; add --schedule constant, or give a number of epochs or a --budget"
            );
            let watched = rung
                .early_stopping
                .as_ref()
                .map_or("val_loss", |s| s.monitor.name());
            set("early_stopping.monitor", watched.to_string());
            for (key, value) in AUTO {
                set(key, value.to_string());
            }
        }
    }
    match controls.patience {
        None => {}
        Some(Patience::Off) => {
            anyhow::ensure!(
                arguments.epochs != Some(Epochs::Auto),
                "--patience off and --epochs auto never end; give one of them a number"
            );
            set("early_stopping", "false".to_string());
        }
        Some(Patience::Epochs(epochs)) => {
            set("early_stopping.patience", whole(epochs));
            if rung.early_stopping.is_none() {
                set("early_stopping.restore_best_weights", "true".to_string());
            }
        }
    }
    // As Rust writes them for itself: 1e30 with its exponent, 1 with its point, so that TOML takes them for what they are.
    let number = |number: Option<f32>| number.map(|number| format!("{number:?}"));
    let numbers = [
        ("training.batch_size", arguments.batch.map(whole)),
        ("optimizer.learning_rate", number(arguments.lr)),
        ("optimizer.weight_decay", number(controls.weight_decay)),
        ("optimizer.global_clipnorm", number(controls.clip_norm)),
        ("training.label_smoothing", number(controls.label_smoothing)),
        ("optimizer.use_ema", controls.ema.map(|_| "true".to_string())),
        ("optimizer.ema_momentum", number(controls.ema)),
        ("training.mixup_alpha", number(controls.mixup)),
        ("training.cutmix_alpha", number(controls.cutmix)),
    ];
    for (key, value) in numbers {
        if let Some(value) = value {
            set(key, value);
        }
    }
    if let Some(weights) = &controls.class_weights {
        set("training.class_weights", class_weights(weights)?);
    }
    Ok(values)
}

/// A whole number as TOML takes it; with its exponent, where its integers end before it.
fn whole(number: usize) -> String {
    match i64::try_from(number) {
        Ok(number) => number.to_string(),
        Err(_) => format!("{:e}", number as f64),
    }
}

/// A message about a value of the rung, which names the option that was typed instead of the value that it sets.
pub(super) fn named_as_typed(message: &str) -> String {
    const OPTIONS: [(&str, &str); 10] = [
        ("training.epochs", "--epochs"),
        ("training.batch_size", "--batch"),
        ("optimizer.learning_rate", "--lr"),
        ("optimizer.weight_decay", "--weight-decay"),
        ("optimizer.global_clipnorm", "--clip-norm"),
        ("training.label_smoothing", "--label-smoothing"),
        ("optimizer.ema_momentum", "--ema"),
        ("training.mixup_alpha", "--mixup"),
        ("training.cutmix_alpha", "--cutmix"),
        ("schedule.warmup_epochs", "--warmup"),
    ];
    let option = OPTIONS.iter().find_map(|(key, option)| {
        let rest = message.strip_prefix("--set ")?.strip_prefix(key)?;
        rest.starts_with(':').then(|| format!("{option}{rest}"))
    });
    option.unwrap_or_else(|| message.to_string())
}

/// What is not the rung's.
pub(super) fn controls(arguments: &ControlArguments) -> anyhow::Result<Controls> {
    let memory = match arguments.memory {
        Some(gib) if gib > 0.0 && gib.is_finite() => Some((gib * f64::from(1 << 30)) as u64),
        Some(gib) => anyhow::bail!("--memory {gib} is no amount of memory; give GiB, more than 0"),
        None => None,
    };
    Ok(Controls {
        budget: arguments.budget,
        began: None,
        steps: arguments.steps.map(NonZeroU64::get),
        on_stuck: arguments.on_stuck.into(),
        moving_statistics: arguments.moving_statistics,
        asked: Vec::new(),
        memory,
    })
}

/// Class weights as the rung has them.
fn class_weights(text: &str) -> anyhow::Result<String> {
    if matches!(text, "balanced" | "none") {
        return Ok(text.to_string());
    }
    let pairs = match weights_file(text) {
        Some(path) => from_file(&path)?,
        None if is_file_name(text) => anyhow::bail!(
            "--class-weights: there is no such file: {}",
            stepladder_data::printable(text)
        ),
        None if text.contains('=') => pairs(text)?,
        None => {
            let numbers: Result<Vec<f32>, _> = text.split(',').map(|n| n.trim().parse()).collect();
            let numbers = numbers
                .ok()
                .filter(|numbers| numbers.iter().all(|number| is_weight(*number)));
            let numbers = numbers.ok_or_else(|| {
                anyhow::anyhow!(
                    "--class-weights {text} is neither balanced or none, nor numbers (2,1,1), nor names (daisy=2,roses=1), nor a file"
                )
            })?;
            return Ok(format!("{numbers:?}"));
        }
    };
    let quoted = |name: &str| serde_json::to_string(name).unwrap_or_default();
    let entries: Vec<String> = pairs
        .iter()
        .map(|(name, weight)| format!("{} = {weight:?}", quoted(name)))
        .collect();
    Ok(format!("{{ {} }}", entries.join(", ")))
}

fn pairs(text: &str) -> anyhow::Result<Vec<(String, f32)>> {
    let pair = |part: &str| {
        let (name, weight) = part
            .rsplit_once('=')
            .with_context(|| format!("--class-weights: {part} has no number; write {part}=1"))?;
        Ok((name.trim().to_string(), number(weight)?))
    };
    text.split(',').map(pair).collect()
}

fn from_file(path: &Path) -> anyhow::Result<Vec<(String, f32)>> {
    let rows = stepladder_data::numbers_by_name(path).context("--class-weights")?;
    Ok(rows.into_iter().map(|row| (row.name, row.number)).collect())
}

/// Whether this can be nothing but the name of a file.
fn is_file_name(text: &str) -> bool {
    let extension = Path::new(text).extension().map(|e| e.to_ascii_lowercase());
    let of_table = extension.is_some_and(|e| ["csv", "tsv", "tab", "txt"].iter().any(|table| e == *table));
    of_table || text.contains(['/', '\\'])
}

fn number(text: &str) -> anyhow::Result<f32> {
    let number = text.trim().parse::<f32>().ok().filter(|n| is_weight(*n));
    number.with_context(|| format!("--class-weights: {} is no number of 0 or more", text.trim()))
}

fn is_weight(number: f32) -> bool {
    number.is_finite() && number >= 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_what_was_typed() {
        let named = named_as_typed("--set optimizer.learning_rate: 1e30 is wrong");
        assert_eq!(named, "--lr: 1e30 is wrong");
        for other in [
            "--set optimizer.learning_rates: x",
            "my.toml:3: optimizer.learning_rate",
        ] {
            assert_eq!(named_as_typed(other), other);
        }
    }

    #[test]
    fn weights_are_read_in_each_form() {
        assert_eq!(class_weights("balanced").unwrap(), "balanced");
        assert_eq!(class_weights("2,1, 0.5").unwrap(), "[2.0, 1.0, 0.5]");
        assert_eq!(
            class_weights("daisy=2,wild rose=0.5").unwrap(),
            "{ \"daisy\" = 2.0, \"wild rose\" = 0.5 }"
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("weights.csv");
        std::fs::write(&file, "class,weight\ndaisy,3\n\"lily, white\",1.5\n").unwrap();
        assert_eq!(
            class_weights(file.to_str().unwrap()).unwrap(),
            "{ \"daisy\" = 3.0, \"lily, white\" = 1.5 }"
        );
        let missing = folder.path().join("weight.csv");
        let error = class_weights(missing.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains("there is no such file"), "{error}");
        for wrong in ["balance", "1,x", "1,-1", "1,nan", "inf,1", "daisy=-1", "daisy="] {
            assert!(class_weights(wrong).is_err(), "{wrong}");
        }
    }
}

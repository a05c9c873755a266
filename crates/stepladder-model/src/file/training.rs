//! The tables `[training]`, `[schedule]`, `[early_stopping]`, `[reduce_lr_on_plateau]` and `[split]` in the file.

mod class_weights;

use super::reader::{Range, Reader};
use super::value::Table;
use crate::error::RungError;
use crate::training::{
    AnnealStrategy, ClassWeights, EarlyStopping, EvaluationConfig, Monitor, ReduceLrOnPlateau, Schedule,
    SplitFractions, Training,
};

/// Most epochs, and most epochs of patience.
const EPOCH_LIMIT: usize = 1_000_000;

/// Most photos in a step.
pub(super) const BATCH_LIMIT: usize = 65_536;

/// Most photos that statistics are computed from.
const PHOTO_LIMIT: usize = 100_000_000;

pub(super) fn read_training(table: &Table) -> Result<Training, RungError> {
    let keys = &[
        "epochs",
        "batch_size",
        "label_smoothing",
        "class_weights",
        "mixup_alpha",
        "cutmix_alpha",
        "mixing_probability",
        "mixing_until",
        "precise_batch_norm",
    ];
    let reader = Reader::new(table, "[training]", keys)?;
    let alpha = |key: &'static str| reader.or(key, 0.0, |field| field.number(Range::NOT_NEGATIVE));
    let share = |key: &'static str| reader.or(key, 1.0, |field| field.number(Range::SHARE));
    Ok(Training {
        epochs: reader.required("epochs", "epochs = 30", |field| field.count(1, EPOCH_LIMIT))?,
        batch_size: reader.or("batch_size", 32, |field| field.count(1, BATCH_LIMIT))?,
        label_smoothing: reader.or("label_smoothing", 0.0, |field| field.number(Range::BELOW_ONE))?,
        class_weights: reader.or("class_weights", ClassWeights::None, class_weights::read)?,
        mixup_alpha: alpha("mixup_alpha")?,
        cutmix_alpha: alpha("cutmix_alpha")?,
        mixing_probability: share("mixing_probability")?,
        mixing_until: share("mixing_until")?,
        precise_batch_norm: reader.or("precise_batch_norm", 0, |field| field.count(0, PHOTO_LIMIT))?,
    })
}

pub(super) fn write_training(training: &Training) -> Table {
    let mut table = Table::default();
    table.put("epochs", training.epochs);
    table.put("batch_size", training.batch_size);
    table.put("label_smoothing", training.label_smoothing);
    // What most rungs do without is left out, as it was before there was such a thing: the text of a run's rung stays the same.
    if let Some(weights) = class_weights::write(&training.class_weights) {
        table.put("class_weights", weights);
    }
    table.put_unless("mixup_alpha", training.mixup_alpha, 0.0);
    table.put_unless("cutmix_alpha", training.cutmix_alpha, 0.0);
    table.put_unless("mixing_probability", training.mixing_probability, 1.0);
    table.put_unless("mixing_until", training.mixing_until, 1.0);
    table.put_unless("precise_batch_norm", training.precise_batch_norm, 0);
    table
}

pub(super) fn read_evaluation(table: &Table) -> Result<EvaluationConfig, RungError> {
    let reader = Reader::new(table, "[evaluation]", &["flips"])?;
    Ok(EvaluationConfig {
        flips: reader.or("flips", false, |field| field.flag())?,
    })
}

pub(super) fn write_evaluation(evaluation: &EvaluationConfig) -> Table {
    let mut table = Table::default();
    table.put("flips", evaluation.flips);
    table
}

#[derive(Clone, Copy)]
enum Course {
    Constant,
    Cosine,
    OneCycle,
    FlatCosine,
}

const COURSES: &[(&str, Course)] = &[
    ("constant", Course::Constant),
    ("cosine", Course::Cosine),
    ("one_cycle", Course::OneCycle),
    ("flat_cosine", Course::FlatCosine),
];

const SCHEDULE_KEYS: &[&str] = &[
    "type",
    "warmup_epochs",
    "warmup_fraction",
    "initial_fraction",
    "final_fraction",
    "anneal_strategy",
    "flat_fraction",
];

pub(super) fn read_schedule(table: &Table) -> Result<Schedule, RungError> {
    let within = "[schedule]";
    let reader = Reader::new(table, within, SCHEDULE_KEYS)?;
    let course = reader.required(
        "type",
        "type = \"constant\", \"cosine\", \"one_cycle\" or \"flat_cosine\"",
        |field| field.choice("schedule", COURSES),
    )?;
    let share = |reader: &Reader<'_>, key: &'static str, default: f32| {
        reader.or(key, default, |field| field.number(Range::SHARE))
    };
    match course {
        Course::Constant => {
            Reader::new(table, "the constant [schedule]", &["type"])?;
            Ok(Schedule::Constant)
        }
        Course::Cosine => {
            let keys = &["type", "warmup_epochs", "final_fraction"];
            let reader = Reader::new(table, "the cosine [schedule]", keys)?;
            Ok(Schedule::Cosine {
                warmup_epochs: reader.or("warmup_epochs", 0.0, |field| field.number(Range::NOT_NEGATIVE))?,
                final_fraction: share(&reader, "final_fraction", 0.0)?,
            })
        }
        Course::OneCycle => {
            let keys = &[
                "type",
                "warmup_fraction",
                "initial_fraction",
                "final_fraction",
                "anneal_strategy",
            ];
            let reader = Reader::new(table, "the one_cycle [schedule]", keys)?;
            Ok(Schedule::OneCycle {
                warmup_fraction: share(&reader, "warmup_fraction", 0.3)?,
                initial_fraction: share(&reader, "initial_fraction", 0.04)?,
                final_fraction: share(&reader, "final_fraction", 1e-4)?,
                anneal_strategy: reader.or("anneal_strategy", AnnealStrategy::Cos, |field| {
                    field.choice("anneal strategy", AnnealStrategy::NAMES)
                })?,
            })
        }
        Course::FlatCosine => {
            let keys = &["type", "flat_fraction", "final_fraction"];
            let reader = Reader::new(table, "the flat_cosine [schedule]", keys)?;
            Ok(Schedule::FlatCosine {
                flat_fraction: share(&reader, "flat_fraction", 0.75)?,
                final_fraction: share(&reader, "final_fraction", 0.0)?,
            })
        }
    }
}

pub(super) fn write_schedule(schedule: &Schedule) -> Table {
    let mut table = Table::default();
    match *schedule {
        Schedule::Constant => table.put("type", "constant"),
        Schedule::Cosine {
            warmup_epochs,
            final_fraction,
        } => {
            table.put("type", "cosine");
            table.put("warmup_epochs", warmup_epochs);
            table.put("final_fraction", final_fraction);
        }
        Schedule::OneCycle {
            warmup_fraction,
            initial_fraction,
            final_fraction,
            anneal_strategy,
        } => {
            table.put("type", "one_cycle");
            table.put("warmup_fraction", warmup_fraction);
            table.put("initial_fraction", initial_fraction);
            table.put("final_fraction", final_fraction);
            let usual = AnnealStrategy::default();
            table.put_unless("anneal_strategy", anneal_strategy.name(), usual.name());
        }
        Schedule::FlatCosine {
            flat_fraction,
            final_fraction,
        } => {
            table.put("type", "flat_cosine");
            table.put("flat_fraction", flat_fraction);
            table.put("final_fraction", final_fraction);
        }
    }
    table
}

pub(super) fn read_early_stopping(table: &Table) -> Result<EarlyStopping, RungError> {
    let keys = &[
        "monitor",
        "min_delta",
        "patience",
        "restore_best_weights",
        "start_from_epoch",
    ];
    let reader = Reader::new(table, "[early_stopping]", keys)?;
    let default = EarlyStopping::default();
    Ok(EarlyStopping {
        monitor: monitor(&reader, default.monitor)?,
        min_delta: reader.or("min_delta", default.min_delta, |field| {
            field.number(Range::NOT_NEGATIVE)
        })?,
        patience: reader.or("patience", default.patience, |field| field.count(0, EPOCH_LIMIT))?,
        restore_best_weights: reader.or("restore_best_weights", default.restore_best_weights, |field| {
            field.flag()
        })?,
        start_from_epoch: reader.or("start_from_epoch", default.start_from_epoch, |field| {
            field.count(0, EPOCH_LIMIT)
        })?,
    })
}

pub(super) fn write_early_stopping(stopping: &EarlyStopping) -> Table {
    let mut table = Table::default();
    table.put("monitor", stopping.monitor.name());
    table.put("min_delta", stopping.min_delta);
    table.put("patience", stopping.patience);
    table.put("restore_best_weights", stopping.restore_best_weights);
    table.put("start_from_epoch", stopping.start_from_epoch);
    table
}

pub(super) fn read_plateau(table: &Table) -> Result<ReduceLrOnPlateau, RungError> {
    let keys = &["monitor", "factor", "patience", "min_delta", "cooldown", "min_lr"];
    let reader = Reader::new(table, "[reduce_lr_on_plateau]", keys)?;
    let default = ReduceLrOnPlateau::default();
    Ok(ReduceLrOnPlateau {
        monitor: monitor(&reader, default.monitor)?,
        factor: reader.or("factor", default.factor, |field| field.number(Range::BETWEEN))?,
        patience: reader.or("patience", default.patience, |field| field.count(0, EPOCH_LIMIT))?,
        min_delta: reader.or("min_delta", default.min_delta, |field| {
            field.number(Range::NOT_NEGATIVE)
        })?,
        cooldown: reader.or("cooldown", default.cooldown, |field| field.count(0, EPOCH_LIMIT))?,
        min_lr: reader.or("min_lr", default.min_lr, |field| {
            field.number(Range::NOT_NEGATIVE)
        })?,
    })
}

pub(super) fn write_plateau(plateau: &ReduceLrOnPlateau) -> Table {
    let mut table = Table::default();
    table.put("monitor", plateau.monitor.name());
    table.put("factor", plateau.factor);
    table.put("patience", plateau.patience);
    table.put("min_delta", plateau.min_delta);
    table.put("cooldown", plateau.cooldown);
    table.put("min_lr", plateau.min_lr);
    table
}

fn monitor(reader: &Reader<'_>, default: Monitor) -> Result<Monitor, RungError> {
    reader.or("monitor", default, |field| {
        field.choice("figure to monitor", Monitor::NAMES)
    })
}

pub(super) fn read_split(table: &Table) -> Result<SplitFractions, RungError> {
    let reader = Reader::new(table, "[split]", &["validation", "test"])?;
    let default = SplitFractions::default();
    let split = SplitFractions {
        validation: reader.or("validation", default.validation, |field| {
            field.number(Range::BELOW_ONE)
        })?,
        test: reader.or("test", default.test, |field| field.number(Range::BELOW_ONE))?,
    };
    if split.validation + split.test >= 1.0 {
        return Err(RungError::NothingToTrainOn {
            place: table.place.clone(),
        });
    }
    Ok(split)
}

pub(super) fn write_split(split: &SplitFractions) -> Table {
    let mut table = Table::default();
    table.put("validation", split.validation);
    table.put("test", split.test);
    table
}

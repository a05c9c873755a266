//! Rungs of every kind, for property tests.

mod layers;

use layers::{fan_in, fill_mode, initializer, layers, positive, share};
use proptest::prelude::*;
use stepladder_model::{
    AnnealStrategy, ClassWeights, Clipping, DeckFigures, Defaults, EarlyStopping, EvaluationConfig, Fit,
    Frozen, Head, ImageDataGenerator, ImageSize, Input, LayerSpec, Monitor, OptimizerConfig, ParameterGroups,
    Phase, Place, RandomTransform, ReduceLrOnPlateau, Rung, Schedule, SplitFractions, Start, Training, lints,
};

fn class_weights() -> impl Strategy<Value = ClassWeights> {
    let name = "[ -~ä-ü日]{1,8}";
    let named = prop::collection::btree_map(name, share(), 1..5);
    prop_oneof![
        Just(ClassWeights::None),
        Just(ClassWeights::Balanced),
        prop::collection::vec(share(), 1..5).prop_map(ClassWeights::Each),
        named.prop_map(|named| ClassWeights::Named(named.into_iter().collect())),
    ]
}

fn clipping() -> impl Strategy<Value = Option<Clipping>> {
    prop::option::of(prop_oneof![
        positive().prop_map(Clipping::Norm),
        positive().prop_map(Clipping::GlobalNorm)
    ])
}

fn optimizer() -> impl Strategy<Value = OptimizerConfig> {
    let numbers = (
        positive(),
        share(),
        share(),
        positive(),
        prop::option::of(share()),
        clipping(),
    );
    (0..4, numbers, any::<bool>()).prop_map(|(method, numbers, nesterov)| {
        let (learning_rate, beta_1, beta_2, epsilon, weight_decay, clipping) = numbers;
        match method {
            0 => OptimizerConfig::Adam {
                learning_rate,
                beta_1,
                beta_2,
                epsilon,
                weight_decay,
                clipping,
            },
            1 => OptimizerConfig::Nadam {
                learning_rate,
                beta_1,
                beta_2,
                epsilon,
                weight_decay,
                clipping,
            },
            2 => {
                let weight_decay = weight_decay.unwrap_or(0.004);
                OptimizerConfig::AdamW {
                    learning_rate,
                    beta_1,
                    beta_2,
                    epsilon,
                    weight_decay,
                    clipping,
                }
            }
            _ => OptimizerConfig::Sgd {
                learning_rate,
                momentum: beta_1,
                nesterov,
                weight_decay,
                clipping,
            },
        }
    })
}

fn schedule() -> impl Strategy<Value = Schedule> {
    prop_oneof![
        Just(Schedule::Constant),
        (share(), share()).prop_map(|(warmup_epochs, final_fraction)| Schedule::Cosine {
            warmup_epochs,
            final_fraction
        }),
        (share(), share(), share(), any::<bool>()).prop_map(
            |(warmup_fraction, initial_fraction, final_fraction, linear)| Schedule::OneCycle {
                warmup_fraction,
                initial_fraction,
                final_fraction,
                anneal_strategy: if linear {
                    AnnealStrategy::Linear
                } else {
                    AnnealStrategy::Cos
                },
            }
        ),
        (share(), share()).prop_map(|(flat_fraction, final_fraction)| Schedule::FlatCosine {
            flat_fraction,
            final_fraction
        }),
    ]
}

fn monitor() -> impl Strategy<Value = Monitor> {
    prop::sample::select(vec![
        Monitor::ValLoss,
        Monitor::ValAccuracy,
        Monitor::Loss,
        Monitor::Accuracy,
    ])
}

prop_compose! {
    fn early_stopping()(
        monitor in monitor(),
        min_delta in share(),
        patience in 0usize..100,
        restore_best_weights in any::<bool>(),
        start_from_epoch in 0usize..100,
    ) -> EarlyStopping {
        EarlyStopping { monitor, min_delta, patience, restore_best_weights, start_from_epoch }
    }
}

prop_compose! {
    fn plateau()(
        monitor in monitor(),
        factor in 0.01f32..0.99,
        patience in 0usize..100,
        min_delta in share(),
        cooldown in 0usize..100,
        min_lr in share(),
    ) -> ReduceLrOnPlateau {
        ReduceLrOnPlateau { monitor, factor, patience, min_delta, cooldown, min_lr }
    }
}

prop_compose! {
    fn generator()(
        [rotation_range, width_shift_range, height_shift_range, shear_range, channel_shift_range, fill_value]
            in [share(), share(), share(), share(), share(), share()],
        zoom in share(),
        fill_mode in fill_mode(),
        [horizontal_flip, vertical_flip] in any::<[bool; 2]>(),
        brightness in prop::option::of(share()),
    ) -> ImageDataGenerator {
        ImageDataGenerator {
            rotation_range,
            width_shift_range,
            height_shift_range,
            shear_range,
            zoom_range: [1.0 - zoom / 2.0, 1.0 + zoom],
            channel_shift_range,
            fill_mode,
            fill_value,
            horizontal_flip,
            vertical_flip,
            brightness_range: brightness.map(|low| [low, 1.5]),
        }
    }
}

prop_compose! {
    fn parameter_groups()(
        exclude_from_weight_decay in prop::collection::vec("[a-z/_]{1,9}", 0..3),
        multipliers in prop::collection::btree_map("[a-z/_ ]{1,9}", share(), 0..3),
    ) -> ParameterGroups {
        ParameterGroups { exclude_from_weight_decay, learning_rate_multipliers: multipliers.into_iter().collect() }
    }
}

/// Phases that end one after the other, the last at the end; their sizes are in times the rung's.
fn phases() -> impl Strategy<Value = Vec<Phase>> {
    let sizes = prop::collection::vec((1usize..5, prop::option::of(1usize..300)), 0..4);
    sizes.prop_map(|sizes| {
        let count = sizes.len();
        let phases = sizes.into_iter().enumerate();
        let phase = |(index, (size, batch_size))| Phase {
            until: (index + 1) as f32 / count as f32,
            size: ImageSize::square(size),
            batch_size,
            frozen: None,
        };
        phases.map(phase).collect()
    })
}

/// A square or not.
fn size() -> impl Strategy<Value = ImageSize> {
    let side = || 1usize..100;
    prop_oneof![
        side().prop_map(ImageSize::square),
        (side(), side()).prop_map(|(height, width)| ImageSize::new(height, width)),
    ]
}

prop_compose! {
    fn deck()(
        [test_accuracy, val_accuracy, train_accuracy] in
            [prop::option::of(share()), prop::option::of(share()), prop::option::of(share())],
        epochs in prop::option::of(1usize..100),
        hours in prop::option::of(positive()),
    ) -> DeckFigures {
        DeckFigures { test_accuracy, val_accuracy, train_accuracy, epochs, hours }
    }
}

prop_compose! {
    fn start()(
        weights in "[!-~]{1,20}",
        sha256 in prop::option::of("[0-9a-f]{64}"),
        head in prop::sample::select(vec![Head::New, Head::ByClassName]),
        frozen in prop::sample::select(vec![Frozen::None, Frozen::Backbone]),
        [exact_head, frozen_statistics] in [any::<bool>(), any::<bool>()],
        learning_rate_decay in 0.01f32..=1.0,
    ) -> Start {
        Start { weights, sha256, head, frozen, exact_head, learning_rate_decay, frozen_statistics }
    }
}

prop_compose! {
    pub fn rung()(
        name in "[a-z0-9][a-z0-9._-]{0,20}",
        parent in prop::option::of("[a-z0-9]{1,9}"),
        [change, about] in ["[ -~ä-ü\n\t]{0,40}", "[ -~ä-ü\n\t]{0,40}"],
        deck in prop::option::of(deck()),
        (size, fit, enlarge) in (size(), prop::sample::select(vec![Fit::Crop, Fit::Pad, Fit::Stretch]), any::<bool>()),
        kernel_initializer in initializer(),
        depthwise_fan_in in fan_in(),
        // Boxed, since without optimization so many strategies fill a test's stack.
        layers in layers().boxed(),
        parts in (optimizer(), schedule(), prop::option::of(early_stopping()), prop::option::of(plateau())).boxed(),
        (epochs, batch_size, label_smoothing) in (1usize..1000, 1usize..1000, share()),
        (class_weights, [mixup_alpha, cutmix_alpha]) in (class_weights(), [share(), share()]),
        [mixing_probability, mixing_until] in [share(), share()],
        ema_momentum in prop::option::of(share()),
        parameter_groups in parameter_groups(),
        (phases, flips, precise_batch_norm) in (phases(), any::<bool>(), 0usize..1000),
        (augmentation, start) in (prop::option::of(generator()), prop::option::of(start())).boxed(),
        [validation, test] in [0.0f32..0.5, 0.0f32..0.5],
        allow in prop::sample::subsequence(lints().iter().map(|lint| lint.name.to_owned()).collect::<Vec<_>>(), 0..3),
    ) -> Rung {
        let (optimizer, schedule, early_stopping, reduce_lr_on_plateau) = parts;
        let of_its_shape = |phase: Phase| Phase {
            size: size.map(|side| side * phase.size.height),
            ..phase
        };
        let phases = phases.into_iter().map(of_its_shape).collect();
        let is_crop = |spec: &LayerSpec| matches!(spec.layer.augmentation(), Some(RandomTransform::ResizedCrop(_)));
        let augmentation = augmentation.filter(|_| !layers.iter().any(is_crop));
        Rung {
            name,
            parent,
            change,
            about: Some(about),
            deck,
            input: Input { size, fit, enlarge },
            defaults: Defaults { kernel_initializer, depthwise_fan_in },
            layers,
            optimizer,
            ema_momentum,
            parameter_groups,
            schedule,
            early_stopping,
            reduce_lr_on_plateau,
            training: Training {
                epochs,
                batch_size,
                label_smoothing,
                class_weights,
                mixup_alpha,
                cutmix_alpha,
                mixing_probability,
                mixing_until,
                precise_batch_norm,
            },
            phases,
            evaluation: EvaluationConfig { flips },
            augmentation,
            start,
            split: SplitFractions { validation, test },
            allow,
            place: Place::default(),
        }
    }
}

//! Any rung, written whole and read again, is equal to itself, to the last bit of every number.

use proptest::prelude::*;
use stepladder_model::{
    Activation, AnnealStrategy, BatchNormalization, ClassWeights, Clipping, ColorJitter, Conv2D, DeckFigures,
    Defaults, Dense, DepthwiseConv2D, DepthwiseFanIn, Dropout, EarlyStopping, Erased, EvaluationConfig,
    FillMode, Fit, FlipMode, Frozen, GlobalAveragePooling2D, Head, ImageDataGenerator, Initializer, Input,
    Layer, LayerNormalization, LayerSpec, LeakyReLU, Monitor, Normalization, OptimizerConfig, Padding,
    ParameterGroups, Phase, Place, Pooling2D, RandAugment, RandomBrightness, RandomContrast, RandomErasing,
    RandomFlip, RandomResizedCrop, RandomRotation, RandomTransform, RandomTranslation, RandomZoom,
    ReduceLrOnPlateau, Rung, RungCatalog, Scale, Schedule, SeparableConv2D, SplitFractions, Start,
    StochasticDepth, Training, TrivialAugmentWide, Units, diff, lints,
};

fn positive() -> impl Strategy<Value = f32> {
    prop_oneof![Just(0.001), 1e-30f32..1e18, f32::MIN_POSITIVE..1.0]
}

fn finite() -> impl Strategy<Value = f32> {
    prop_oneof![Just(0.5), -1e18f32..1e18]
}

/// [0, 1)
fn share() -> impl Strategy<Value = f32> {
    prop_oneof![Just(0.0), Just(0.9), 0.0f32..1.0]
}

/// A lower and an upper bound in (-1, 1).
fn interval() -> impl Strategy<Value = [f32; 2]> {
    (share(), share()).prop_map(|(low, high)| [-low, high])
}

fn initializer() -> impl Strategy<Value = Initializer> {
    use Initializer::*;
    let all = [
        GlorotUniform,
        GlorotNormal,
        HeUniform,
        HeNormal,
        LecunUniform,
        LecunNormal,
        Zeros,
        Ones,
    ];
    prop_oneof![
        8 => prop::sample::select(all.to_vec()),
        1 => finite().prop_map(Constant),
    ]
}

fn fan_in() -> impl Strategy<Value = DepthwiseFanIn> {
    prop::sample::select(vec![DepthwiseFanIn::AllChannels, DepthwiseFanIn::PerChannel])
}

fn activation() -> impl Strategy<Value = Activation> {
    use Activation::*;
    prop_oneof![
        prop::sample::select(vec![
            Linear,
            Relu,
            Relu6,
            Elu,
            Swish,
            HardSwish,
            Gelu,
            Sigmoid,
            HardSigmoid,
            Tanh,
            Softmax
        ]),
        Just(LeakyRelu { negative_slope: 0.2 }),
        share().prop_map(|negative_slope| LeakyRelu { negative_slope }),
    ]
}

fn fill_mode() -> impl Strategy<Value = FillMode> {
    use FillMode::*;
    prop::sample::select(vec![Constant, Nearest, Reflect, Wrap])
}

fn sides() -> impl Strategy<Value = [usize; 2]> {
    [1usize..5, 1usize..5]
}

/// One that leaves something of any map for a window of these sides: on each axis it gives back all but one of them.
fn padding([height, width]: [usize; 2]) -> impl Strategy<Value = Padding> {
    let explicit = ([0..height, 0..width])
        .prop_map(move |[top, left]| Padding::Explicit([[top, height - 1 - top], [left, width - 1 - left]]));
    let all_around = Just(Padding::Explicit([[height - 1; 2], [width - 1; 2]]));
    prop_oneof![Just(Padding::Same), explicit, all_around]
}

/// A window's sides and a padding for it.
fn window() -> impl Strategy<Value = ([usize; 2], Padding)> {
    sides().prop_flat_map(|sides| (Just(sides), padding(sides)))
}

prop_compose! {
    fn conv()(
        filters in 1usize..20,
        (kernel_size, padding) in window(),
        strides in sides(),
        activation in activation(),
        use_bias in any::<bool>(),
        kernel_initializer in initializer(),
        bias_initializer in initializer(),
    ) -> Conv2D {
        // Any number of channels may come before, so that one group is all that always fits.
        let groups = 1;
        Conv2D { filters, kernel_size, strides, padding, groups, activation, use_bias, kernel_initializer, bias_initializer }
    }
}

/// Layers that fit any map.
fn middle() -> impl Strategy<Value = Layer> {
    prop_oneof![
        conv().prop_map(Layer::Conv2D),
        (conv(), 1usize..4, initializer(), fan_in()).prop_map(
            |(conv, depth_multiplier, pointwise_initializer, depthwise_fan_in)| {
                Layer::SeparableConv2D(SeparableConv2D {
                    filters: conv.filters,
                    kernel_size: conv.kernel_size,
                    strides: conv.strides,
                    padding: conv.padding,
                    depth_multiplier,
                    activation: conv.activation,
                    use_bias: conv.use_bias,
                    depthwise_initializer: conv.kernel_initializer,
                    depthwise_fan_in,
                    pointwise_initializer,
                    bias_initializer: conv.bias_initializer,
                })
            }
        ),
        (conv(), 1usize..3, fan_in()).prop_map(|(conv, depth_multiplier, depthwise_fan_in)| {
            Layer::DepthwiseConv2D(DepthwiseConv2D {
                kernel_size: conv.kernel_size,
                strides: conv.strides,
                padding: conv.padding,
                depth_multiplier,
                activation: conv.activation,
                use_bias: conv.use_bias,
                depthwise_initializer: conv.kernel_initializer,
                depthwise_fan_in,
                bias_initializer: conv.bias_initializer,
            })
        }),
        (share(), positive(), any::<[bool; 2]>(), initializer()).prop_map(
            |(momentum, epsilon, [center, scale], gamma_initializer)| {
                Layer::BatchNormalization(BatchNormalization {
                    momentum,
                    epsilon,
                    center,
                    scale,
                    gamma_initializer,
                })
            }
        ),
        activation().prop_map(Layer::Activation),
        share().prop_map(|negative_slope| Layer::LeakyReLU(LeakyReLU { negative_slope })),
        (window(), sides(), any::<bool>()).prop_map(|((pool_size, padding), strides, average)| {
            let pooling = Pooling2D {
                pool_size,
                strides,
                padding,
            };
            if average {
                Layer::AveragePooling2D(pooling)
            } else {
                Layer::MaxPooling2D(pooling)
            }
        }),
        share().prop_map(|rate| Layer::Dropout(Dropout { rate })),
        normalizing(),
        share().prop_map(|rate| Layer::StochasticDepth(StochasticDepth { rate })),
        Just(Layer::GlobalAveragePooling2D(GlobalAveragePooling2D {
            keepdims: true
        })),
    ]
}

fn normalizing() -> impl Strategy<Value = Layer> {
    prop_oneof![
        (positive(), any::<[bool; 2]>()).prop_map(|(epsilon, [center, scale])| {
            Layer::LayerNormalization(LayerNormalization {
                epsilon,
                center,
                scale,
            })
        }),
        finite().prop_map(|initial_value| Layer::Scale(Scale { initial_value })),
        (finite(), positive()).prop_map(|(mean, variance)| {
            Layer::Normalization(Normalization {
                mean: vec![mean],
                variance: vec![variance],
            })
        }),
    ]
}

/// What only a photo's three channels fit: groups, and statistics of each channel.
fn opening() -> impl Strategy<Value = Vec<Layer>> {
    let grouped = conv().prop_map(|conv| {
        Layer::Conv2D(Conv2D {
            filters: conv.filters * 3,
            groups: 3,
            ..conv
        })
    });
    let statistics = ([finite(), finite(), finite()], [share(), share(), share()]);
    let normalization = statistics.prop_map(|(mean, variance)| {
        Layer::Normalization(Normalization {
            mean: mean.to_vec(),
            variance: variance.to_vec(),
        })
    });
    prop_oneof![
        Just(Vec::new()),
        (normalization, grouped).prop_map(|(normalization, grouped)| vec![normalization, grouped]),
    ]
}

fn augmentation() -> impl Strategy<Value = Layer> {
    let fill = || (fill_mode(), share());
    let transform = prop_oneof![
        (interval(), fill()).prop_map(|(factor, (fill_mode, fill_value))| {
            RandomTransform::Rotation(RandomRotation {
                factor,
                fill_mode,
                fill_value,
            })
        }),
        (interval(), interval(), fill()).prop_map(
            |(height_factor, width_factor, (fill_mode, fill_value))| {
                RandomTransform::Translation(RandomTranslation {
                    height_factor,
                    width_factor,
                    fill_mode,
                    fill_value,
                })
            }
        ),
        (interval(), prop::option::of(interval()), fill()).prop_map(
            |(height_factor, width_factor, (fill_mode, fill_value))| {
                RandomTransform::Zoom(RandomZoom {
                    height_factor,
                    width_factor,
                    fill_mode,
                    fill_value,
                })
            }
        ),
        prop::sample::select(vec![
            FlipMode::Horizontal,
            FlipMode::Vertical,
            FlipMode::HorizontalAndVertical
        ])
        .prop_flat_map(|mode| any::<bool>()
            .prop_map(move |alternating| RandomTransform::Flip(RandomFlip { mode, alternating }))),
        (interval(), interval()).prop_map(|(factor, value_range)| {
            RandomTransform::Brightness(RandomBrightness { factor, value_range })
        }),
        ([0.0f32..0.5, 0.5f32..1.0], interval()).prop_map(|(factor, value_range)| {
            RandomTransform::Contrast(RandomContrast { factor, value_range })
        }),
        ([share(), share(), share()], 0.0f32..0.5).prop_map(|(factors, hue)| {
            let [brightness, contrast, saturation] = factors.map(|f| [f, 1.0 + f]);
            let hue = [-hue, hue];
            RandomTransform::ColorJitter(ColorJitter {
                brightness,
                contrast,
                saturation,
                hue,
            })
        }),
        (share(), 0.01f32..0.5, 0.5f32..1.0, prop::option::of(share())).prop_map(
            |(probability, low, high, value)| {
                RandomTransform::Erasing(RandomErasing {
                    probability,
                    scale: [low, high],
                    ratio: [low, high],
                    value: value.map_or(Erased::Random, Erased::Value),
                })
            }
        ),
        (2usize..50, share()).prop_map(|(num_magnitude_bins, fill_value)| {
            RandomTransform::TrivialAugmentWide(TrivialAugmentWide {
                num_magnitude_bins,
                fill_value,
            })
        }),
        (1usize..5, 2usize..50, share()).prop_map(|(num_ops, num_magnitude_bins, fill_value)| {
            RandomTransform::RandAugment(RandAugment {
                num_ops,
                magnitude: num_magnitude_bins / 2,
                num_magnitude_bins,
                fill_value,
            })
        }),
    ];
    transform.prop_map(Layer::Augmentation)
}

/// It may stand before the other layers of augmentation.
fn crop() -> impl Strategy<Value = Layer> {
    let ratio = prop_oneof![
        Just(RandomResizedCrop::RATIO),
        (0.1f32..1.0, 1.0f32..9.0).prop_map(<[f32; 2]>::from)
    ];
    (0.01f32..0.5, 0.5f32..=1.0, ratio).prop_map(|(low, high, ratio)| {
        let scale = [low, high];
        Layer::Augmentation(RandomTransform::ResizedCrop(RandomResizedCrop { scale, ratio }))
    })
}

fn dense(initializers: [Initializer; 2]) -> Layer {
    Layer::Dense(Dense {
        units: Units::Classes,
        activation: Activation::Softmax,
        use_bias: true,
        kernel_initializer: initializers[0],
        bias_initializer: initializers[1],
    })
}

prop_compose! {
    fn layers()(
        crop in prop::option::of(crop()),
        head in prop::collection::vec(augmentation(), 0..3),
        opening in opening().boxed(),
        middle in prop::collection::vec(middle().boxed(), 0..6),
        named in prop::option::of(0usize..3),
        initializers in [initializer(), initializer()],
    ) -> Vec<LayerSpec> {
        let end = [Layer::Flatten, dense(initializers)];
        let layers = crop.into_iter().chain(head).chain(opening).chain(middle).chain(end);
        let spec = |layer| LayerSpec { name: None, inputs: Vec::new(), layer, place: Place::default() };
        let mut specs: Vec<LayerSpec> = layers.map(spec).collect();
        if let Some(merge) = named {
            let flatten = specs.len() - 2;
            specs[flatten].name = Some("flat".to_owned());
            let twice = vec!["flat".to_owned(), "flat".to_owned()];
            let layer = [Layer::Add, Layer::Multiply, Layer::Concatenate][merge].clone();
            let merged = LayerSpec { name: Some("sum".to_owned()), inputs: twice, layer, place: Place::default() };
            specs.insert(flatten + 1, merged);
            specs[flatten + 2].inputs = vec!["sum".to_owned()];
        }
        specs
    }
}

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

/// Phases that end one after the other, the last at the end.
fn phases() -> impl Strategy<Value = Vec<Phase>> {
    let sizes = prop::collection::vec((1usize..300, prop::option::of(1usize..300)), 0..4);
    sizes.prop_map(|sizes| {
        let count = sizes.len();
        let phases = sizes.into_iter().enumerate();
        let phase = |(index, (size, batch_size))| Phase {
            until: (index + 1) as f32 / count as f32,
            size,
            batch_size,
        };
        phases.map(phase).collect()
    })
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
    fn rung()(
        name in "[a-z0-9][a-z0-9._-]{0,20}",
        parent in prop::option::of("[a-z0-9]{1,9}"),
        [change, about] in ["[ -~ä-ü\n\t]{0,40}", "[ -~ä-ü\n\t]{0,40}"],
        deck in prop::option::of(deck()),
        (size, fit) in (1usize..100, prop::sample::select(vec![Fit::Crop, Fit::Pad, Fit::Stretch])),
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
        let is_crop = |spec: &LayerSpec| matches!(spec.layer.augmentation(), Some(RandomTransform::ResizedCrop(_)));
        let augmentation = augmentation.filter(|_| !layers.iter().any(is_crop));
        Rung {
            name,
            parent,
            change,
            about: Some(about),
            deck,
            input: Input { size, fit },
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

proptest! {
    #[test]
    fn a_rung_written_and_read_again_is_equal(rung in rung()) {
        let toml = rung.to_toml();
        let again = Rung::from_toml(&toml, "again.toml", &RungCatalog::shipped());
        let again = again.map_err(|error| TestCaseError::fail(format!("{error}\n{toml}")))?;
        prop_assert_eq!(&again, &rung, "{}", toml);
        prop_assert_eq!(again.to_toml(), toml);
    }

    #[test]
    fn two_rungs_differ_exactly_where_the_difference_says(first in rung(), second in rung()) {
        prop_assert_eq!(diff(&first, &first), []);
        let settings = Rung { layers: first.layers.clone(), defaults: first.defaults.clone(), ..second.clone() };
        let same = diff(&first, &settings).is_empty();
        let merged = Rung {
            name: first.name.clone(),
            parent: first.parent.clone(),
            change: first.change.clone(),
            about: first.about.clone(),
            deck: first.deck.clone(),
            allow: first.allow.clone(),
            ..settings
        };
        prop_assert_eq!(same, merged == first);
        diff(&first, &second);
    }
}

//! Layers of every kind, in an order in which they fit one another.

use proptest::prelude::*;
use stepladder_model::{
    Activation, BatchNormalization, ColorJitter, Conv2D, Dense, DepthwiseConv2D, DepthwiseFanIn, Dropout,
    Erased, FillMode, FlipMode, GlobalAveragePooling2D, Initializer, Layer, LayerNormalization, LayerSpec,
    LeakyReLU, Normalization, Padding, Place, Pooling2D, RandAugment, RandomBrightness, RandomContrast,
    RandomErasing, RandomFlip, RandomResizedCrop, RandomRotation, RandomTransform, RandomTranslation,
    RandomZoom, Scale, SeparableConv2D, StochasticDepth, TrivialAugmentWide, Units,
};

pub fn positive() -> impl Strategy<Value = f32> {
    prop_oneof![Just(0.001), 1e-30f32..1e18, f32::MIN_POSITIVE..1.0]
}

fn finite() -> impl Strategy<Value = f32> {
    prop_oneof![Just(0.5), -1e18f32..1e18]
}

/// [0, 1)
pub fn share() -> impl Strategy<Value = f32> {
    prop_oneof![Just(0.0), Just(0.9), 0.0f32..1.0]
}

/// A lower and an upper bound in (-1, 1).
fn interval() -> impl Strategy<Value = [f32; 2]> {
    (share(), share()).prop_map(|(low, high)| [-low, high])
}

pub fn initializer() -> impl Strategy<Value = Initializer> {
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

pub fn fan_in() -> impl Strategy<Value = DepthwiseFanIn> {
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

pub fn fill_mode() -> impl Strategy<Value = FillMode> {
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
    pub fn layers()(
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

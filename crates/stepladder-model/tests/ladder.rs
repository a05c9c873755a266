//! The rungs from `m6-no-bn` on and the variants: that each is its parent with exactly the stated change, as the deck has
//! it, and that they can be afforded.

use stepladder_model::{
    Activation, Graph, Layer, LayerSpec, Op, ParameterSpec, Rung, RungCatalog, Source, Window, diff, shipped,
};

fn rung(name: &str) -> Rung {
    RungCatalog::shipped().get(name).unwrap()
}

/// The differences of two rungs, without the lines' keys.
fn differences(parent: &str, child: &str) -> Vec<String> {
    let differences = diff(&rung(parent), &rung(child)).into_iter();
    differences.map(|difference| difference.to_string()).collect()
}

fn kinds(rung: &Rung) -> Vec<&'static str> {
    rung.layers.iter().map(|spec| spec.layer.kind()).collect()
}

fn count(rung: &Rung, kind: &str) -> usize {
    kinds(rung).into_iter().filter(|&found| found == kind).count()
}

/// Filters of each convolution that is more than a change of shape.
fn filters(rung: &Rung) -> Vec<usize> {
    let filters = rung.layers.iter().filter_map(|spec| match &spec.layer {
        Layer::Conv2D(conv) if conv.kernel_size != [1, 1] => Some(conv.filters),
        Layer::SeparableConv2D(conv) => Some(conv.filters),
        _ => None,
    });
    filters.collect()
}

/// An operation of [`without_normalization`].
#[derive(Debug, PartialEq)]
struct Kept {
    words: String,
    window: Option<Window>,
    /// Without names: one that others read is on the convolution or on its normalization.
    parameters: Vec<ParameterSpec>,
    /// By number among the kept ones; `None` is the image.
    inputs: Vec<Option<usize>>,
}

/// What a network computes when every batch normalization passes its input on.
fn without_normalization(graph: &Graph) -> Vec<Kept> {
    let mut kept: Vec<Kept> = Vec::new();
    // For each operation, the kept one that its value comes from.
    let mut from: Vec<Option<usize>> = Vec::new();
    for operation in &graph.operations {
        let inputs = operation.inputs.iter().map(|source| match *source {
            Source::Image => None,
            Source::Operation(index) => from[index],
        });
        let inputs: Vec<Option<usize>> = inputs.collect();
        if matches!(operation.op, Op::BatchNormalization { .. }) {
            from.push(inputs[0]);
            continue;
        }
        let nameless = |id| ParameterSpec {
            name: String::new(),
            ..graph.parameter(id).clone()
        };
        from.push(Some(kept.len()));
        let parameters = operation.op.parameters().into_iter();
        kept.push(Kept {
            words: format!("{}: {}", operation.op.name(), graph.words(operation.layer)),
            window: operation.op.window(),
            parameters: parameters.map(nameless).collect(),
            inputs,
        });
    }
    kept
}

fn assert_differ_in_normalization_alone(without: &str, with: &str) {
    let (bare, normalized) = (rung(without), rung(with));
    assert_eq!(count(&bare, "BatchNormalization"), 0);
    assert!(count(&normalized, "BatchNormalization") > 0);
    let same = Rung {
        layers: bare.layers.clone(),
        ..normalized.clone()
    };
    assert_eq!(
        diff(&bare, &same),
        [],
        "{with} differs from {without} in more than layers"
    );
    let graph = |rung: &Rung| rung.graph(64, 5).unwrap();
    assert_eq!(
        without_normalization(&graph(&normalized)),
        without_normalization(&graph(&bare))
    );
}

#[test]
fn m6_differs_from_m6_no_bn_in_batch_norm_alone() {
    assert_eq!(rung("m6-no-bn").parent.as_deref(), Some("he-normal"));
    assert_eq!(rung("m6").parent.as_deref(), Some("m6-no-bn"));
    assert_differ_in_normalization_alone("m6-no-bn", "m6");
    // And the computed difference says so, line by line.
    for difference in diff(&rung("m6-no-bn"), &rung("m6")) {
        assert_eq!(difference.before, None, "{difference}");
        let added = difference.after.unwrap();
        assert!(added.starts_with("{ layer = \"BatchNormalization\""), "{added}");
    }
    // One behind each convolution.
    let m6 = rung("m6");
    assert_eq!(count(&m6, "BatchNormalization"), count(&m6, "Conv2D"));
}

#[test]
fn m6_has_skip_connections_with_1_x_1_convolutions_where_shapes_change() {
    let m6 = rung("m6");
    assert_eq!(count(&m6, "Add"), 8);
    assert_eq!(count(&m6, "MaxPooling2D"), 0, "the deck brings them in at m10");
    let graph = m6.graph(64, 5).unwrap();
    let windows = graph
        .operations
        .iter()
        .filter_map(|operation| operation.op.window());
    let ones = windows.filter(|window| window.size == [1, 1]);
    assert_eq!(ones.count(), 4);
}

#[test]
fn m7_has_almost_twice_the_parameters_of_m6_and_is_deeper_and_wider() {
    let (m6, m7) = (rung("m6"), rung("m7"));
    for size in [64, 96, 512] {
        let parameters = |rung: &Rung| rung.graph(size, 5).unwrap().parameter_count() as f64;
        let ratio = parameters(&m7) / parameters(&m6);
        assert!((1.8..2.0).contains(&ratio), "{ratio} at {size}");
    }
    assert!(filters(&m7).len() > filters(&m6).len());
    assert!(filters(&m7).iter().max() > filters(&m6).iter().max());
    assert!(filters(&m7).iter().min() > filters(&m6).iter().min());
    assert_differ_in_normalization_alone("m7-first", "m7");
}

/// The layers with every leaky rectifier as the ReLU that it was, also where the ReLU was part of a convolution.
fn with_relu(rung: &Rung) -> Vec<Layer> {
    let mut layers: Vec<Layer> = Vec::new();
    for spec in &rung.layers {
        match (&spec.layer, layers.last_mut()) {
            (Layer::LeakyReLU(_), Some(Layer::Conv2D(conv))) => conv.activation = Activation::Relu,
            (Layer::LeakyReLU(_), _) => layers.push(Layer::Activation(Activation::Relu)),
            (layer, _) => layers.push(layer.clone()),
        }
    }
    layers
}

#[test]
fn m9_is_m6_with_leaky_relu_and_the_decks_augmentation() {
    let m9 = rung("m9");
    let m6: Vec<Layer> = rung("m6").layers.into_iter().map(|spec| spec.layer).collect();
    assert_eq!(with_relu(&m9), m6);
    let operations = m9.graph(64, 5).unwrap().operations.into_iter();
    let mut operations = operations.map(|operation| operation.op);
    assert!(operations.all(|op| op != Op::Activation(Activation::Relu)));
    assert_is_the_decks(&m9);
    let same = Rung {
        layers: rung("m6").layers,
        augmentation: None,
        ..m9
    };
    assert_eq!(diff(&rung("m6"), &same), []);
    assert_eq!(rung("m9-no-augmentation").layers, rung("m9").layers);
    assert_eq!(rung("m9-no-augmentation").augmentation, None);
}

/// `ImageDataGenerator` as the deck writes it.
fn assert_is_the_decks(rung: &Rung) {
    let generator = rung.augmentation.clone().unwrap();
    assert_eq!(generator.rotation_range, 45.0);
    assert_eq!(
        (generator.width_shift_range, generator.height_shift_range),
        (0.05, 0.05)
    );
    assert_eq!(generator.shear_range, 0.05);
    assert_eq!(generator.zoom_range, [1.0 - 0.1, 1.0 + 0.1]);
    assert!(generator.horizontal_flip && !generator.vertical_flip);
    assert_eq!(generator.brightness_range, Some([0.2, 1.2]));
    assert_eq!(generator.fill_mode.name(), "nearest");
}

/// The layers with strides of 1 and without max pooling: what m6 and m10 have in common.
fn without_downsampling(rung: &Rung) -> Vec<Layer> {
    let layers = rung.layers.iter().filter_map(|spec| match &spec.layer {
        Layer::MaxPooling2D(_) => None,
        Layer::Conv2D(conv) => {
            let mut conv = conv.clone();
            conv.strides = [1, 1];
            Some(Layer::Conv2D(conv))
        }
        layer => Some(layer.clone()),
    });
    layers.collect()
}

#[test]
fn m10_has_max_pooling_where_m6_has_strides() {
    let (m6, m10) = (rung("m6"), rung("m10"));
    assert_eq!(count(&m10, "MaxPooling2D"), 4);
    let strided = |rung: &Rung| {
        let layers = rung.layers.iter();
        layers
            .filter(|spec| matches!(&spec.layer, Layer::Conv2D(conv) if conv.strides != [1, 1]))
            .count()
    };
    assert_eq!((strided(&m6), strided(&m10)), (8, 0));
    // The first block keeps its shape without the stride, so its 1 x 1 convolution and that one's normalization go.
    let mut common = without_downsampling(&m6);
    let first = common
        .iter()
        .position(|layer| matches!(layer, Layer::Conv2D(conv) if conv.kernel_size == [1, 1]))
        .unwrap();
    common.drain(first..first + 2);
    assert_eq!(without_downsampling(&m10), common);
    let same = Rung {
        layers: m6.layers.clone(),
        ..m10
    };
    assert_eq!(diff(&m6, &same), []);
}

#[test]
fn m13_is_m10_with_twice_the_filters_swish_and_augmentation() {
    let (m10, m13) = (rung("m10"), rung("m13"));
    let narrow = |spec: &LayerSpec| match &spec.layer {
        Layer::Conv2D(conv) => {
            let mut conv = conv.clone();
            conv.filters /= 2;
            if conv.activation == Activation::Swish {
                conv.activation = Activation::Relu;
            }
            Layer::Conv2D(conv)
        }
        Layer::Activation(Activation::Swish) => Layer::Activation(Activation::Relu),
        layer => layer.clone(),
    };
    let expected: Vec<Layer> = m10.layers.iter().map(|spec| spec.layer.clone()).collect();
    assert_eq!(m13.layers.iter().map(narrow).collect::<Vec<_>>(), expected);
    assert_is_the_decks(&m13);
    let bare = rung("m13-no-augmentation");
    assert_eq!((bare.layers, bare.augmentation), (m13.layers, None));
}

#[test]
fn lr_study_differs_from_m13_in_the_learning_rate_alone() {
    assert_eq!(
        differences("m13", "lr-study"),
        ["- optimizer.learning_rate = 0.001\n+ optimizer.learning_rate = 0.0003"]
    );
}

/// The layers of a network with every separable convolution made a full one.
fn with_full_convolutions(rung: &Rung) -> Vec<LayerSpec> {
    let mut layers = rung.layers.clone();
    let full = rung.layers.iter().find_map(|spec| match &spec.layer {
        Layer::Conv2D(conv) => Some(conv.clone()),
        _ => None,
    });
    for spec in &mut layers {
        if let Layer::SeparableConv2D(separable) = &spec.layer {
            let mut conv = full.clone().unwrap();
            conv.filters = separable.filters;
            conv.kernel_size = separable.kernel_size;
            conv.strides = separable.strides;
            conv.padding = separable.padding;
            conv.activation = separable.activation;
            spec.layer = Layer::Conv2D(conv);
        }
    }
    layers
}

#[test]
fn m17_is_m13_with_three_more_groups_in_separable_convolutions() {
    let (m13, m17) = (rung("m13"), rung("m17"));
    // Every convolution is separable but those of the skip connections, which are pointwise already.
    for spec in &m17.layers {
        if let Layer::Conv2D(conv) = &spec.layer {
            assert_eq!(conv.kernel_size, [1, 1]);
        }
    }
    let full = with_full_convolutions(&m17);
    let added = full.len() - m13.layers.len();
    let end = m13.layers.len() - 2;
    assert_eq!(full[..end], m13.layers[..end]);
    assert_eq!(full[end + added..], m13.layers[end..]);
    let groups: Vec<&str> = full[end..end + added]
        .iter()
        .map(|spec| spec.layer.kind())
        .collect();
    let group = ["Conv2D", "BatchNormalization", "Activation", "MaxPooling2D"];
    assert_eq!(groups, [group; 3].concat());
    let same = Rung {
        layers: m13.layers.clone(),
        ..m17
    };
    assert_eq!(diff(&m13, &same), []);
    assert_eq!(
        rung("m17-deeper").layers,
        full,
        "the variant that changes the depth alone"
    );
}

#[test]
fn m17_fan_in_differs_from_m17_in_the_fan_in_alone() {
    assert_eq!(
        differences("m17", "m17-fan-in"),
        ["+ defaults.depthwise_fan_in = \"per_channel\""]
    );
    let fans = |name: &str| -> Vec<usize> {
        let parameters = rung(name).graph(64, 5).unwrap().parameters.into_iter();
        let depthwise = parameters.filter(|parameter| parameter.name.ends_with("/depthwise_kernel"));
        depthwise.map(|parameter| parameter.fan_in).collect()
    };
    let (keras, mended) = (fans("m17"), fans("m17-fan-in"));
    assert_eq!((keras[0], mended[0]), (5 * 5 * 3, 5 * 5));
    assert_eq!(
        (keras.last(), mended.last()),
        (Some(&(3 * 3 * 256)), Some(&(3 * 3)))
    );
    assert!(mended[1..].iter().all(|&fan_in| fan_in == 9));
}

/// The docs compare the two.
#[test]
fn the_measured_momentum_is_m6_with_another_momentum_alone() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench/rungs/m6-momentum.toml");
    let toml = std::fs::read_to_string(file).unwrap();
    let changed = Rung::from_toml(&toml, "m6-momentum.toml", &RungCatalog::shipped()).unwrap();
    let m6 = rung("m6");
    let differences = diff(&m6, &changed);
    assert_eq!(differences.len(), count(&m6, "BatchNormalization"));
    for difference in differences {
        let line = difference.to_string();
        assert!(line.starts_with("+ layers."), "{line}");
        assert!(line.ends_with(".momentum = 0.9"), "{line}");
    }
}

#[test]
fn m20_is_m13s_network_with_augmentation_inside_and_the_90_10_split() {
    let (m13, m20) = (rung("m13"), rung("m20"));
    assert_eq!(m20.augmentation, None);
    assert_eq!(
        kinds(&m20)[..5],
        [
            "RandomRotation",
            "RandomTranslation",
            "RandomZoom",
            "RandomFlip",
            "RandomBrightness"
        ]
    );
    assert_eq!(m20.layers[5..], m13.layers[..]);
    let Layer::Conv2D(opening) = &m20.layers[5].layer else {
        panic!("m20 opens with a convolution")
    };
    assert_eq!((opening.filters, opening.kernel_size), (32, [5, 5]));
    assert_eq!(opening.activation, Activation::Swish);
    assert_eq!(opening.kernel_initializer.name(), "he_normal");
    // Nine parts of ten are divided 90 to 10; the tenth is for testing, and is that of the other rungs.
    assert_eq!(m20.split.test, m13.split.test);
    assert!((m20.split.validation / (1.0 - m20.split.test) - 0.1).abs() < 1e-6);
    assert_eq!(
        differences("m13-in-model", "m20"),
        ["- split.validation = 0.1\n+ split.validation = 0.09"]
    );
    assert_eq!(
        differences("m20", "m20-45-degrees"),
        [
            "- layers.random_rotation.factor = [-0.45, 0.45]\n+ layers.random_rotation.factor = [-0.125, 0.125]"
        ]
    );
}

#[test]
fn all_from_m6_on_are_affordable_and_grow_with_no_size() {
    for shipped in shipped().iter().skip_while(|rung| rung.name != "m6-no-bn") {
        let rung = rung(shipped.name);
        let graph = rung.graph(64, 5).unwrap();
        let cost = graph.multiply_adds();
        assert!((10_000_000..150_000_000).contains(&cost), "{}: {cost}", rung.name);
        let parameters = rung.graph(512, 5).unwrap().parameter_count();
        assert_eq!(parameters, graph.parameter_count(), "{}", rung.name);
    }
}

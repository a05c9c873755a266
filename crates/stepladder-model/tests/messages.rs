//! What a person is told: every kind of mistake in a rung file, with the message it gets, in one snapshot to read through.

use stepladder_model::{Rung, RungCatalog};

/// A file that is right, but for `layers` and what else a case adds.
fn with_layers(layers: &str) -> String {
    format!("name = \"mine\"\nparent = \"m5\"\nchange = \"layers\"\nlayers = [\n{layers}\n]\n")
}

const HEAD: &str =
    "{ layer = \"Flatten\" },\n{ layer = \"Dense\", units = \"classes\", activation = \"softmax\" },";

fn with_layer(layer: &str) -> String {
    with_layers(&format!("{layer}\n{HEAD}"))
}

fn with(rest: &str) -> String {
    format!("name = \"mine\"\nparent = \"m5\"\nchange = \"..\"\n{rest}\n")
}

fn message(toml: &str) -> String {
    match Rung::from_toml(toml, "mine.toml", &RungCatalog::shipped()) {
        Ok(_) => panic!("this reads without an error:\n{toml}"),
        Err(error) => error.to_string(),
    }
}

fn messages(cases: &[String]) -> String {
    let shown = cases.iter().map(|toml| {
        let lines = toml.trim_end().lines().enumerate();
        let numbered: String = lines
            .map(|(index, line)| format!("{:>3} | {line}\n", index + 1))
            .collect();
        format!("{numbered}{}\n\n", message(toml))
    });
    shown.collect()
}

#[test]
fn text_that_is_not_toml() {
    let text = messages(&[
        "name = \"mine".to_owned(),
        "name = \"mine\"\n\nname = \"yours\"".to_owned(),
        "layers = [\n  { layer = \"Flatten\",\n]".to_owned(),
        "[optimizer\ntype = \"adam\"".to_owned(),
        with("[training]\nepochs = 99999999999999999999"),
    ]);
    insta::assert_snapshot!(text);
    assert_eq!(
        message(&"#".repeat(300_000)),
        "mine.toml: not a rung: longer than 256 KiB"
    );
}

#[test]
fn keys() {
    let text = messages(&[
        with("optimiser = \"adam\""),
        with("epochs = 3"),
        with("colour = \"red\""),
        with("[optimizer]\ntype = \"adam\"\nlr = 0.1"),
        with("[optimizer]\ntype = \"sgd\"\nbeta_1 = 0.9"),
        with("[optimizer]\nlearning_rate = 0.1"),
        with("[optimizer]\ntype = \"adam\"\nclipnorm = 1\nglobal_clipnorm = 1"),
        with("[schedule]\ntype = \"one_cycle\"\nwarmup_epochs = 1"),
        with("[augmentation]\nrescale = 0.1"),
        with("[early_stopping]\npatient = 3"),
        with_layer("{ layer = \"Conv2D\", filter = 3, kernel_size = 3 },"),
        with_layer("{ layer = \"Conv2D\", filters = 3 },"),
        with_layer("{ layer = \"Conv2D\", filters = 3, kernel_size = 3, data_format = \"channels_first\" },"),
        with_layer(
            "{ layer = \"SeparableConv2D\", filters = 3, kernel_size = 3, kernel_initializer = \"ones\" },",
        ),
        with_layer("{ layer = \"Flatten\", units = 3 },"),
        with_layer("{ filters = 3 },"),
        with("[[layers]]\nlayer = \"Conv2D\"\nkernel_size = 3\n\n[[layers]]\nlayer = \"Flatten\""),
        with_layer("{ layer = \"Activation\", activation = { type = \"relu\", negative_slope = 0.1 } },"),
        with_layer("{ layer = \"DepthwiseConv2D\", kernel_size = 3, groups = 3 },"),
        with_layer("{ layer = \"Conv2D\", filters = 3, kernel_size = 3, group = 3 },"),
        with_layer("{ layer = \"LayerNormalization\", axis = -1 },"),
        with_layer("{ layer = \"GlobalAveragePooling2D\", keep_dims = true },"),
        with_layer("{ layer = \"Normalization\", mean = 0.5 },"),
        with_layer("{ layer = \"Scale\", init_values = 1e-5 },"),
        with_layer("{ layer = \"StochasticDepth\" },"),
        with_layer("{ layer = \"BlurPooling2D\", pool_size = 2 },"),
        with_layer("{ layer = \"Dense\", units = 3, bias_initializer = { type = \"constant\" } },"),
    ]);
    insta::assert_snapshot!(text);
}

#[test]
fn values() {
    let text = messages(&[
        "name = 3".to_owned(),
        "name = \"../etc\"".to_owned(),
        with("layers = 3"),
        with("layers = [3]"),
        with("[training]\nepochs = \"ten\""),
        with("[training]\nepochs = 0"),
        with("[training]\nepochs = 2.5"),
        with("[optimizer]\ntype = \"adam\"\nlearning_rate = -0.1"),
        with("[optimizer]\ntype = \"adam\"\nlearning_rate = nan"),
        with("[optimizer]\ntype = \"adam\"\nlearning_rate = 1e-60"),
        with("optimizer = \"adam\""),
        with("early_stopping = true"),
        with("[split]\nvalidation = 0.6\ntest = 0.5"),
        with("[augmentation]\nbrightness_range = 0.2"),
        with("[augmentation]\nzoom_range = 1.5"),
        with("[schedule]\ntype = 1979-05-27"),
        with_layer("{ layer = \"Conv2D\", filters = -3, kernel_size = 3 },"),
        with_layer("{ layer = \"Conv2D\", filters = 3, kernel_size = [3, 3, 3] },"),
        with_layer("{ layer = \"Conv2D\", filters = 3, kernel_size = 3, use_bias = \"yes\" },"),
        with_layer("{ layer = \"Dense\", units = \"many\" },"),
        with_layer("{ layer = \"Dropout\", rate = 1 },"),
        with_layer("{ layer = \"Flatten\", name = \"a/b\" },"),
        with_layer("{ layer = \"Flatten\", inputs = [3] },"),
        with_layer("{ layer = \"RandomRotation\", factor = [0.2, 0.1] },"),
        with_layer("{ layer = \"RandomZoom\", height_factor = 3 },"),
        with_layer("{ layer = \"RandomResizedCrop\" },"),
        with_layer("{ layer = \"RandomResizedCrop\", scale = [0, 1] },"),
        with_layer("{ layer = \"RandomResizedCrop\", scale = [0.4, 1], ratio = [2, 1] },"),
        with_layer("{ layer = \"RandomFlip\", alternating = 2 },"),
        with_layer("{ layer = \"ColorJitter\", hue = 0.7 },"),
        with_layer("{ layer = \"ColorJitter\", brightness = -0.1 },"),
        with_layer("{ layer = \"RandomErasing\", value = \"noise\" },"),
        with_layer("{ layer = \"RandAugment\", magnitude = 31 },"),
        with_layer("{ layer = \"TrivialAugmentWide\", interpolation = \"nearest\" },"),
        with("[training]\nepochs = 3\nmixing_until = 2"),
        with("[input]\nfit = \"letterbox\""),
        with("[input]\nsize = [64, 96, 3]"),
        with("[input]\nsize = \"64x96\""),
        with("[input]\nenlarge = 1"),
        with("[input]\nsize = [64, 96]\n[[phase]]\nuntil = 1\nsize = 48"),
        with("allow = \"all\""),
        with_layer("{ layer = \"Conv2D\", filters = 3, kernel_size = 3, groups = 0 },"),
        with_layer("{ layer = \"Conv2D\", filters = 3, kernel_size = 3, padding = -1 },"),
        with_layer("{ layer = \"Conv2D\", filters = 3, kernel_size = 3, padding = 8193 },"),
        with_layer("{ layer = \"MaxPooling2D\", padding = [1, 0, 1, 0] },"),
        with_layer("{ layer = \"MaxPooling2D\", padding = [[0, 1], 0] },"),
        with_layer("{ layer = \"MaxPooling2D\", padding = [[0, 1], [0.5, 0]] },"),
        with_layer("{ layer = \"LayerNormalization\", epsilon = 0 },"),
        with_layer("{ layer = \"Scale\", initial_value = inf },"),
        with_layer("{ layer = \"StochasticDepth\", rate = 1 },"),
        with_layer("{ layer = \"Normalization\", mean = [], variance = 1 },"),
        with_layer("{ layer = \"Normalization\", mean = 0, variance = [1, -1, 1] },"),
        with_layer("{ layer = \"GlobalAveragePooling2D\", keepdims = 1 },"),
        with_layer("{ layer = \"Dense\", units = 3, bias_initializer = { type = \"zeros\", value = 1 } },"),
        with_layer("{ layer = \"Dense\", units = 3, bias_initializer = \"constant\" },"),
    ]);
    insta::assert_snapshot!(text);
}

#[test]
fn names() {
    let text = messages(&[
        "name = \"mine\"\nparent = \"m55\"\nchange = \"..\"".to_owned(),
        "name = \"mine\"\nparent = \"inception\"\nchange = \"..\"".to_owned(),
        "name = \"mine\"\nparent = \"../mine.toml\"\nchange = \"..\"".to_owned(),
        "name = \"mine\"\nparent = 5\nchange = \"..\"".to_owned(),
        "name = \"mine\"\nparent = \"m5\"".to_owned(),
        "change = \"..\"\nparent = \"m5\"".to_owned(),
        "name = \"mine\"".to_owned(),
        with("[optimizer]\ntype = \"adan\""),
        with("[optimizer]\ntype = \"lars\""),
        with("[defaults]\nkernel_initializer = \"he\""),
        with("[early_stopping]\nmonitor = \"val_acc\""),
        with_layer("{ layer = \"Conv2d\", filters = 3, kernel_size = 3 },"),
        with_layer("{ layer = \"ReLU\" },"),
        with_layer("{ layer = \"Rescaling\" },"),
        with_layer("{ layer = \"LSTM\" },"),
        with_layer("{ layer = \"Conv2D\", filters = 3, kernel_size = 3, activation = \"Relu\" },"),
        with_layer("{ layer = \"Conv2D\", filters = 3, kernel_size = 3, activation = \"maxout\" },"),
        with_layer("{ layer = \"Conv2D\", filters = 3, kernel_size = 3, padding = \"full\" },"),
        with_layer("{ layer = \"RandomFlip\", mode = \"sideways\" },"),
        with_layer("{ layer = \"Conv2D\", filters = 3, kernel_size = 3, activation = \"hard-swish\" },"),
        with_layer("{ layer = \"Concatenation\", inputs = [\"image\", \"image\"] },"),
        with_layer("{ layer = \"BlurPool2d\" },"),
        with_layer("{ layer = \"DropPath\", rate = 0.1 },"),
    ]);
    insta::assert_snapshot!(text);
}

#[test]
fn networks() {
    let text = messages(&[
        with("layers = []"),
        with_layers("{ layer = \"RandomFlip\" }"),
        with_layer("{ layer = \"Conv2D\", filters = 3, kernel_size = 600 },"),
        with_layer("{ layer = \"MaxPooling2D\", pool_size = [2, 600] },"),
        with_layers("{ layer = \"Dense\", units = \"classes\", activation = \"softmax\" },"),
        with_layers("{ layer = \"Flatten\" },\n{ layer = \"Conv2D\", filters = 3, kernel_size = 3 },"),
        with_layer("{ layer = \"Conv2D\", filters = 3, kernel_size = 3, input = \"pool\" },"),
        with_layer(
            "{ layer = \"MaxPooling2D\", name = \"pool\" },\n{ layer = \"Conv2D\", filters = 3, kernel_size = 3, input = \"poll\" },",
        ),
        with_layer(
            "{ layer = \"MaxPooling2D\", input = \"late\" },\n{ layer = \"MaxPooling2D\", name = \"late\" },",
        ),
        with_layer(
            "{ layer = \"MaxPooling2D\", name = \"a\" },\n{ layer = \"MaxPooling2D\", name = \"a\" },",
        ),
        with_layer("{ layer = \"MaxPooling2D\", name = \"image\" },"),
        with_layer("{ layer = \"MaxPooling2D\", input = \"image\", inputs = [\"image\"] },"),
        with_layer("{ layer = \"MaxPooling2D\", inputs = [\"image\", \"image\"] },"),
        with_layer("{ layer = \"Add\" },"),
        with_layer(
            "{ layer = \"Conv2D\", name = \"a\", filters = 8, kernel_size = 3, padding = \"same\" },\n{ layer = \"Add\", inputs = [\"image\", \"a\"] },",
        ),
        with_layer(
            "{ layer = \"MaxPooling2D\", name = \"a\" },\n{ layer = \"Add\", inputs = [\"a\", \"image\"] },",
        ),
        with_layer(
            "{ layer = \"MaxPooling2D\", name = \"a\" },\n{ layer = \"GlobalAveragePooling2D\", name = \"b\" },\n{ layer = \"Add\", inputs = [\"a\", \"b\"] },",
        ),
        with_layer("{ layer = \"MaxPooling2D\" },\n{ layer = \"MaxPooling2D\", input = \"image\" },"),
        with_layer(
            "{ layer = \"RandomBrightness\", factor = 0.1 },\n{ layer = \"RandomResizedCrop\", scale = [0.4, 1] },",
        ),
        with_layer("{ layer = \"RandomResizedCrop\", scale = [0.4, 1] },")
            + "[augmentation]\nhorizontal_flip = true",
        with_layer("{ layer = \"MaxPooling2D\" },\n{ layer = \"RandomFlip\", mode = \"horizontal\" },"),
        with_layer("{ layer = \"Conv2D\", filters = 1048576, kernel_size = 3 },"),
        with_layer("{ layer = \"Flatten\" },\n{ layer = \"Dense\", units = 1048576 },"),
        with_layers(
            "{ layer = \"Conv2D\", filters = 1, kernel_size = 8192, padding = \"same\" },\n{ layer = \"Conv2D\", filters = 8000, kernel_size = 8192, padding = \"same\" },",
        ),
        with_layer("{ layer = \"Conv2D\", filters = 6, kernel_size = 3, groups = 2 },"),
        with_layer(
            "{ layer = \"Conv2D\", filters = 12, kernel_size = 3 },\n{ layer = \"Conv2D\", filters = 8, kernel_size = 3, groups = 6 },",
        ),
        with_layer("{ layer = \"MaxPooling2D\", padding = 2 },"),
        with_layer("{ layer = \"Conv2D\", filters = 3, kernel_size = [3, 1], padding = [[1, 1], [0, 1]] },"),
        with_layer("{ layer = \"MaxPooling2D\", pool_size = 512 },\n{ layer = \"BlurPooling2D\" },"),
        with_layer("{ layer = \"Normalization\", mean = [0.5, 0.5], variance = 1 },"),
        with_layer("{ layer = \"Multiply\", inputs = [\"image\"] },"),
        with_layer(
            "{ layer = \"GlobalAveragePooling2D\", name = \"g\" },\n{ layer = \"Multiply\", inputs = [\"image\", \"g\"] },",
        ),
        with_layer(
            "{ layer = \"Conv2D\", filters = 4, kernel_size = 512, name = \"g\" },\n{ layer = \"Multiply\", inputs = [\"image\", \"g\"] },",
        ),
        with_layer(
            "{ layer = \"MaxPooling2D\", name = \"a\" },\n{ layer = \"Multiply\", inputs = [\"image\", \"image\", \"a\"] },",
        ),
        with_layer(
            "{ layer = \"MaxPooling2D\", name = \"a\" },\n{ layer = \"Concatenate\", inputs = [\"image\", \"a\"] },",
        ),
        with_layer(
            "{ layer = \"Flatten\", name = \"a\" },\n{ layer = \"Concatenate\", inputs = [\"image\", \"a\"] },",
        ),
        with_layer(
            "{ layer = \"GlobalAveragePooling2D\", keepdims = true },\n{ layer = \"Dense\", units = 3 },",
        ),
        with_layers(
            "{ layer = \"Flatten\" },\n{ layer = \"Normalization\", mean = 0, variance = 1 },\n{ layer = \"Dense\", units = \"classes\", activation = \"softmax\" },\n]\ninput = { size = 1024 }\nallow = [",
        ),
    ]);
    insta::assert_snapshot!(text);
}

#[test]
fn heads() {
    let flatten = |rest: &str| with_layers(&format!("{{ layer = \"Flatten\" }},\n{rest}"));
    let text = messages(&[
        with_layers("{ layer = \"MaxPooling2D\" },"),
        with_layers("{ layer = \"Activation\", activation = \"softmax\" },"),
        flatten("{ layer = \"Dense\", units = \"classes\" },"),
        flatten("{ layer = \"Dense\", units = \"classes\", activation = \"sigmoid\" },"),
        flatten(
            "{ layer = \"Dense\", units = \"classes\", activation = \"relu\" },\n{ layer = \"Activation\", activation = \"softmax\" },",
        ),
        flatten(
            "{ layer = \"Dense\", units = \"classes\", activation = \"softmax\" },\n{ layer = \"Activation\", activation = \"softmax\" },",
        ),
        flatten(
            "{ layer = \"Dense\", units = \"classes\" },\n{ layer = \"Activation\", activation = \"tanh\" },\n{ layer = \"Dropout\", rate = 0.1 },\n{ layer = \"Activation\", activation = \"softmax\" },",
        ),
        flatten(
            "{ layer = \"Dense\", units = \"classes\", activation = \"hard_sigmoid\" },\n{ layer = \"Activation\", activation = \"softmax\" },",
        ),
        flatten(
            "{ layer = \"Dense\", units = \"classes\" },\n{ layer = \"Activation\", activation = \"linear\" },",
        ),
        flatten("{ layer = \"Dense\", units = 1, activation = \"softmax\" },"),
    ]);
    insta::assert_snapshot!(text);
}

#[test]
fn what_only_the_data_can_tell() {
    let flatten = "{ layer = \"MaxPooling2D\", pool_size = 40 },\n{ layer = \"Flatten\" },";
    let toml = with_layers(&format!(
        "{flatten}\n{{ layer = \"Dense\", units = 7, activation = \"softmax\" }},"
    ));
    let rung = Rung::from_toml(&toml, "mine.toml", &RungCatalog::shipped()).unwrap();
    let message = |size, classes| rung.graph(size, classes).unwrap_err().to_string();
    let text = [
        message(64, 5),
        message(32, 7),
        message(64, 1),
        message(0, 7),
        message(100_000, 7),
    ]
    .join("\n");
    insta::assert_snapshot!(text);
    rung.graph(64, 7).unwrap();
}

#[test]
fn catalog() {
    let catalog = RungCatalog::shipped();
    let message = |name: &str| catalog.open(name).unwrap_err().to_string();
    let text = [message("henormal"), message("vgg16")].join("\n");
    insta::assert_snapshot!(text);
    assert!(message("no/such.toml").starts_with("no/such.toml: cannot be read: "));
}

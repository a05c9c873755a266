//! `stepladder explain`: what a model says of one photo, where it looks, and which training photos look most like it to the
//! network.

mod neighbors;
mod picture;

use super::predict::expect_run_and_photos;
use super::{cache, known_run, model_file, on_threads, threads};
use crate::Ending;
use crate::arguments::ExplainArguments;
use crate::terminal::{Alignment, Output, ProgressBar, Table, percent};
use anyhow::Context;
use neighbors::Neighbors;
use picture::{Picture, picture_file};
use serde::Serialize;
use std::path::{Path, PathBuf};
use stepladder_classifier::{Classifier, ranked};
use stepladder_data::{PhotoFile, find_photos};

pub(crate) fn explain(mut arguments: ExplainArguments, output: &Output) -> anyhow::Result<Ending> {
    arguments.run = known_run(&arguments.run)?;
    let named: Vec<PathBuf> = arguments.photo.iter().cloned().collect();
    expect_run_and_photos("explain", &arguments.run, &named)?;
    let path = named.into_iter().next().context("name a photo after the run")?;
    let threads = threads(arguments.answering.threads)?;
    on_threads(threads, || {
        let photo = one_photo(&path)?;
        // What cannot be written is said before anything is computed.
        let file = picture_file(arguments.out.as_deref(), &path)?;
        let classifier = Classifier::load(&model_file(&arguments.run)?, arguments.answering.device)?;
        let asked = match &arguments.class {
            Some(class) => Some(index_of(class, &classifier)?),
            None => None,
        };
        let decoded = photo
            .read(&arguments.pixels.decoding(&classifier.decoding()))
            .with_context(|| photo.name().to_string())?;
        let predictor = classifier.predictor();
        let image = predictor.prepare(&decoded);
        let answers: Result<Vec<_>, _> = predictor.predict(image.clone()).into_iter().collect();
        let probabilities = answers?.concat();
        let ranked = ranked(&probabilities);
        let class = asked.unwrap_or(ranked[0]);
        let named = |class: usize| ClassProbability {
            class: classifier.classes()[class].clone(),
            probability: probabilities[class],
        };
        let features = predictor.features(image.clone()).concat();
        let picture = match predictor.heat_map(image, class) {
            Some(heat) => {
                let class = &named(class).class;
                Some(Picture::write(
                    &decoded,
                    classifier.scaling(),
                    classifier.size(),
                    heat,
                    class,
                    &file,
                )?)
            }
            None => None,
        };
        let neighbors = match arguments.neighbors {
            0 => None,
            count => {
                let cache = cache(&arguments.cache, threads)?;
                let bar = ProgressBar::new(output);
                let pass = neighbors::Pass {
                    predictor: &predictor,
                    batch: arguments.answering.batch,
                    cache: &cache,
                    progress: &bar,
                };
                Some(pass.nearest(&arguments.run, &features, count))
            }
        };
        let explanation = Explanation {
            photo: photo.name().to_string(),
            model: classifier.rung().name.clone(),
            temperature: classifier.temperature().map(|temperature| temperature.value()),
            classes: ranked.iter().map(|&class| named(class)).collect(),
            features: features.len(),
            picture,
            neighbors,
        };
        explanation.show(arguments.top, output);
        output.json(&explanation)?;
        Ok(Ending::Done)
    })
}

/// All that is said of a photo.
#[derive(Debug, Serialize)]
struct Explanation {
    photo: String,
    model: String,
    temperature: Option<f64>,
    /// The most probable first.
    classes: Vec<ClassProbability>,
    /// How many the network's last layer reads.
    features: usize,
    /// Null where no layer of the network makes a map.
    picture: Option<Picture>,
    /// Null where none were asked for.
    neighbors: Option<Neighbors>,
}

#[derive(Debug, Serialize)]
struct ClassProbability {
    class: String,
    probability: f32,
}

impl Explanation {
    fn show(&self, top: usize, output: &Output) {
        let mut table = Table::new([("class", Alignment::Left), ("probability", Alignment::Right)]);
        for known in self.classes.iter().take(top.max(1)) {
            table.row([known.class.clone(), percent(f64::from(known.probability))]);
        }
        output.line(&self.photo);
        output.line("");
        output.table(&table);
        output.line("");
        match &self.picture {
            Some(picture) => output.line(&picture.said()),
            None => output.line("picture     none: no layer of this network makes a map of features"),
        }
        match &self.neighbors {
            None => {}
            Some(Neighbors::LeftOut { reason }) => {
                output.line(&format!("neighbors   left out: {reason}"));
            }
            Some(Neighbors::Found { photos }) => {
                output.line("");
                output.line(&format!(
                    "training photos with the most similar of {} features",
                    self.features
                ));
                output.table(&neighbors::table(photos));
            }
        }
    }
}

/// The photo that `path` stands for.
fn one_photo(path: &Path) -> anyhow::Result<PhotoFile> {
    let (photos, _) = find_photos(path, false)?;
    match <[PhotoFile; 1]>::try_from(photos) {
        Ok([photo]) => Ok(photo),
        Err(photos) => anyhow::bail!(
            "{} holds {} photos, and one can be explained at a time; name a photo",
            path.display(),
            photos.len()
        ),
    }
}

/// The output of the class of this name.
fn index_of(class: &str, classifier: &Classifier) -> anyhow::Result<usize> {
    let found = classifier.classes().iter().position(|name| name == class);
    found.with_context(|| {
        format!(
            "--class {class}: the model knows no such class; it knows {}",
            classifier.classes().join(", ")
        )
    })
}

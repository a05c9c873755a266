//! From a run's directory, and its photos where they are still there, to a report's facts.

use crate::answers::recorded;
use crate::calibration::Calibration;
use crate::costs::{MeasuredSteps, memory};
use crate::data::data;
use crate::diagram::blocks;
use crate::doubtful::doubtful;
use crate::facts::{Answer, AugmentedPhoto, LayerRow, LookAlikes, PartAnswers, PhotoShown, RunReport};
use crate::picture;
use stepladder_classifier::{Classifier, ClassifyError, Predictions, Temperature};
use stepladder_data::{Augmentation, DataError, Dataset, Loader, LoaderConfig, Part, PhotoStore, Split};
use stepladder_inspection::Inspection;
use stepladder_model::{Graph, GraphError};
use stepladder_nn::StepMemory;
use stepladder_train::{Diagnosis, Environment, FeatureChecks, RecordedRun};

/// Pictures of each kind that are shown.
const SHOWN: usize = 12;
/// Right and wrong answers whose places are shown, of each.
const LOOKS: usize = 6;
/// Draws of the augmentation that are shown.
const DRAWS: u64 = 7;
/// Photos that are computed at once.
const BATCH: usize = 32;

/// Why a report cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The run's rung gives no network.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A photo cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The network has no answers.
    #[error(transparent)]
    Classify(#[from] ClassifyError),
}

/// A run's photos, ready to be asked about.
#[derive(Debug)]
pub struct OwnPhotos<'a> {
    /// The data.
    pub dataset: &'a Dataset,
    /// The run's own split.
    pub split: &'a Split,
    /// The decoded photos.
    pub store: &'a PhotoStore,
    /// The model's output for each photo of the data.
    pub labels: &'a [u32],
    /// The run's model.
    pub classifier: &'a Classifier,
    /// What an inspection of the data finds.
    pub inspection: &'a Inspection,
    /// What pretrained features say of the photos, where the run began with some.
    pub features: Option<&'a FeatureChecks>,
}

/// The facts of `run`. `photos` are its photos, and `steps` the times of its steps, or the reasons why there are none.
pub fn gather(
    run: RecordedRun,
    photos: Result<OwnPhotos<'_>, String>,
    steps: Result<MeasuredSteps, String>,
) -> Result<RunReport, ReportError> {
    let graph = run.rung.graph(run.summary.size, run.summary.classes.len())?;
    let document = |name: &str| run.directory.read(&run.directory.path().join(name)).ok();
    let environment: Option<Environment> =
        document("environment.json").and_then(|text| serde_json::from_slice(&text).ok());
    // What a newer version added is passed over, one finding at a time.
    let diagnoses: Vec<serde_json::Value> = document("diagnoses.json")
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    let diagnoses: Vec<Diagnosis> = diagnoses
        .into_iter()
        .filter_map(|finding| serde_json::from_value(finding).ok())
        .collect();
    let mut layers = layers(&graph, &memory(&run, &graph));
    let step = steps.as_ref().map(|steps| steps.add_to(&mut layers)).ok();
    let mut report = RunReport {
        blocks: blocks(&graph),
        step,
        no_step: steps.err(),
        data: None,
        rung: run.rung.to_toml(),
        change: run.rung.change.clone(),
        layers,
        environment,
        diagnoses,
        answers: None,
        mistakes: Vec::new(),
        unsure: Vec::new(),
        doubtful: Vec::new(),
        by_heart: true,
        look_alikes: Vec::new(),
        looks: Vec::new(),
        augmented: Vec::new(),
        no_photos: None,
        summary: run.summary,
        config: run.config,
        epochs: run.epochs,
    };
    match photos {
        Ok(photos) => with_photos(&mut report, &run.rung, &graph, &photos)?,
        Err(reason) => {
            report.no_photos = Some(reason);
            let classes = report.summary.classes.clone();
            if let Some((names, predictions)) = recorded(run.directory.path(), &classes) {
                let asked = Asked {
                    names: &names,
                    classes: &classes,
                    predictions: &predictions,
                    temperature: None,
                };
                report.answers = asked.part("test");
                report.mistakes = asked.chosen(asked.mistakes());
                report.unsure = asked.chosen(asked.unsure());
            }
        }
    }
    Ok(report)
}

/// The layers, with what a training step keeps of each.
fn layers(graph: &Graph, memory: &StepMemory) -> Vec<LayerRow> {
    let rows = graph.layers.iter().zip(&memory.layers).enumerate();
    rows.map(|(index, (layer, memory))| LayerRow {
        name: layer.name.clone(),
        kind: layer.kind.to_string(),
        output: graph.layer_output(index).to_string(),
        parameters: graph.layer_parameter_count(index),
        multiply_adds: graph.layer_multiply_adds(index),
        forward_seconds: None,
        backward_seconds: None,
        kept_bytes: memory.activations,
    })
    .collect()
}

fn with_photos(
    report: &mut RunReport,
    rung: &stepladder_model::Rung,
    graph: &Graph,
    photos: &OwnPhotos<'_>,
) -> Result<(), ReportError> {
    let names: Vec<String> = photos
        .dataset
        .photos
        .iter()
        .map(|photo| photo.name.clone())
        .collect();
    let ask = |part: Part| {
        let known = |photo: &&u32| photos.store.is_readable(**photo);
        let asked: Vec<u32> = photos.split.part(part).iter().filter(known).copied().collect();
        photos
            .classifier
            .classify(photos.store, photos.labels, &asked, BATCH)
    };
    let [train, validation, test] = [ask(Part::Train)?, ask(Part::Validation)?, ask(Part::Test)?];
    let asked = |predictions| Asked {
        names: &names,
        classes: photos.classifier.classes(),
        predictions,
        temperature: photos.classifier.temperature(),
    };
    let (part, predictions) = match test.iter().next() {
        Some(_) => ("test", &test),
        None => ("validation", &validation),
    };
    let judged = asked(predictions);
    let picture = |photo: u32| photos.store.photo(photo).ok();
    let pictured = |chosen: Vec<(u32, Answer)>| -> Vec<Answer> {
        let small = |photo| picture(photo).and_then(|photo| picture::small(&photo));
        chosen
            .into_iter()
            .map(|(photo, answer)| Answer {
                picture: small(photo),
                ..answer
            })
            .collect()
    };
    report.answers = judged.part(part);
    report.mistakes = pictured(judged.numbered(judged.mistakes(), SHOWN));
    report.unsure = pictured(judged.numbered(judged.unsure(), SHOWN));

    let mut learned = Predictions::new(photos.classifier.classes().len());
    for photo in train.iter().chain(validation.iter()) {
        learned.extend(&[photo.photo], &[photo.label], photo.probabilities);
    }
    let not_learned = photos.features.map(|features| &features.answers);
    report.by_heart = not_learned.is_none();
    let judged_labels = Asked {
        // The temperature is of the model's own answers.
        temperature: photos.classifier.temperature().filter(|_| report.by_heart),
        ..asked(not_learned.unwrap_or(&learned))
    };
    let mut found = judged_labels.doubtful();
    let rest = found.split_off(found.len().min(SHOWN));
    report.doubtful = pictured(judged_labels.numbered(found, SHOWN));
    let rest = judged_labels.numbered(rest, usize::MAX);
    report.doubtful.extend(rest.into_iter().map(|(_, answer)| answer));

    report.look_alikes = look_alikes(photos, &names);

    let mut looks = judged.numbered(judged.mistakes(), LOOKS);
    looks.extend(judged.numbered(judged.surest(), LOOKS));
    let predictor = photos.classifier.predictor();
    for (number, answer) in looks {
        let Some(photo) = picture(number) else { continue };
        let class = predictor
            .classes()
            .iter()
            .position(|class| *class == answer.predicted);
        let map = class.and_then(|class| predictor.heat_map(predictor.prepare(&photo), class));
        let look = map.and_then(|map| picture::look(&photo, predictor.scaling(), predictor.size(), &map));
        report.looks.push(Answer {
            picture: picture::small(&photo),
            look,
            ..answer
        });
    }
    report.augmented = augmented(rung, graph, photos)?;
    report.data = Some(data(photos));
    Ok(())
}

/// Pairs of photos of different parts that show nearly the same, the first of them with pictures.
fn look_alikes(photos: &OwnPhotos<'_>, names: &[String]) -> Vec<LookAlikes> {
    let found = photos.features.map_or(&[][..], |checks| &checks.look_alikes);
    let shown = |photo: u32| PhotoShown {
        file: names.get(photo as usize).cloned().unwrap_or_default(),
        class: photos.classifier.classes()[photos.labels[photo as usize] as usize].clone(),
        picture: photos
            .store
            .photo(photo)
            .ok()
            .and_then(|photo| picture::small(&photo)),
    };
    let pairs = found.iter().take(SHOWN).map(|pair| LookAlikes {
        photo: shown(pair.photo),
        training_photo: shown(pair.training_photo),
        similarity: pair.similarity,
    });
    pairs.collect()
}

/// The first training photo as it is, and as some epochs see it.
fn augmented(
    rung: &stepladder_model::Rung,
    graph: &Graph,
    photos: &OwnPhotos<'_>,
) -> Result<Vec<AugmentedPhoto>, ReportError> {
    let augmentation = Augmentation::new(rung.augmentation.as_ref(), &graph.augmentation);
    let readable = |photo: &&u32| photos.store.is_readable(**photo);
    let Some(&photo) = photos.split.train.iter().find(readable) else {
        return Ok(Vec::new());
    };
    if augmentation.is_none() {
        return Ok(Vec::new());
    }
    let size = photos.classifier.size();
    let seen = |augmentation, epoch: u64| {
        let config = LoaderConfig {
            augmentation,
            ..LoaderConfig::new(1, size)
        };
        let loader = Loader::new(photos.store, photos.labels, &[photo], config)?;
        let batch = loader.epoch(epoch).next().transpose()?;
        Ok::<_, DataError>(batch.and_then(|batch| picture::of_input(&batch.images, size)))
    };
    let mut shown = Vec::new();
    let as_it_is = seen(Augmentation::none(), 0)?.map(|picture| (String::from("as it is"), picture));
    shown.extend(as_it_is);
    for epoch in 0..DRAWS {
        shown.extend(
            seen(augmentation.clone(), epoch)?.map(|picture| (format!("draw {}", epoch + 1), picture)),
        );
    }
    let photo = |(caption, picture)| AugmentedPhoto { caption, picture };
    Ok(shown.into_iter().map(photo).collect())
}

/// Answers about a list of photos.
struct Asked<'a> {
    /// By photo number.
    names: &'a [String],
    classes: &'a [String],
    predictions: &'a Predictions,
    temperature: Option<Temperature>,
}

/// An answer with its photo's number and its calibrated probabilities.
struct Judged {
    photo: u32,
    label: usize,
    predicted: usize,
    probabilities: Vec<f32>,
}

impl Asked<'_> {
    fn judged(&self) -> Vec<Judged> {
        let calibrated = |row: &[f32]| self.temperature.map_or_else(|| row.to_vec(), |t| t.apply(row));
        self.predictions
            .iter()
            .map(|photo| Judged {
                photo: photo.photo,
                label: photo.label as usize,
                predicted: photo.predicted as usize,
                probabilities: calibrated(photo.probabilities),
            })
            .collect()
    }

    fn part(&self, part: &'static str) -> Option<PartAnswers> {
        let raw = self.predictions.iter().map(|photo| {
            let right = photo.predicted == photo.label;
            (photo.probabilities[photo.predicted as usize], right)
        });
        let calibrated = self.judged().into_iter().map(|photo| {
            (
                photo.probabilities[photo.predicted],
                photo.predicted == photo.label,
            )
        });
        Some(PartAnswers {
            part,
            evaluation: self.predictions.evaluate(self.classes)?,
            raw: Calibration::new(raw),
            calibrated: self.temperature.map(|_| Calibration::new(calibrated)),
            temperature: self.temperature.map(Temperature::value),
        })
    }

    /// Wrong answers, the surest first.
    fn mistakes(&self) -> Vec<Judged> {
        let mut all = self.judged();
        all.retain(|photo| photo.predicted != photo.label);
        all.sort_by(|a, b| b.sure().total_cmp(&a.sure()));
        all
    }

    /// Right answers, the surest first.
    fn surest(&self) -> Vec<Judged> {
        let mut all = self.judged();
        all.retain(|photo| photo.predicted == photo.label);
        all.sort_by(|a, b| b.sure().total_cmp(&a.sure()));
        all
    }

    /// All answers, the least sure first.
    fn unsure(&self) -> Vec<Judged> {
        let mut all = self.judged();
        all.sort_by(|a, b| a.sure().total_cmp(&b.sure()));
        all
    }

    fn doubtful(&self) -> Vec<Judged> {
        let photos: Vec<_> = self.predictions.iter().collect();
        let labels: Vec<u32> = photos.iter().map(|photo| photo.label).collect();
        let rows: Vec<&[f32]> = photos.iter().map(|photo| photo.probabilities).collect();
        let mut judged: Vec<Option<Judged>> = self.judged().into_iter().map(Some).collect();
        let found = doubtful(self.classes.len(), &labels, &rows);
        found.into_iter().filter_map(|row| judged[row].take()).collect()
    }

    fn chosen(&self, judged: Vec<Judged>) -> Vec<Answer> {
        self.numbered(judged, SHOWN)
            .into_iter()
            .map(|(_, answer)| answer)
            .collect()
    }

    /// The first `most`, with their photos' numbers.
    fn numbered(&self, judged: Vec<Judged>, most: usize) -> Vec<(u32, Answer)> {
        let answer = |photo: Judged| {
            let answer = Answer {
                file: self.names.get(photo.photo as usize).cloned().unwrap_or_default(),
                class: self.classes[photo.label].clone(),
                predicted: self.classes[photo.predicted].clone(),
                probability: photo.sure(),
                of_class: photo.probabilities[photo.label],
                picture: None,
                look: None,
            };
            (photo.photo, answer)
        };
        judged.into_iter().take(most).map(answer).collect()
    }
}

impl Judged {
    /// The answer's probability.
    fn sure(&self) -> f32 {
        self.probabilities[self.predicted]
    }
}

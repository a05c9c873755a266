//! From the split to the batches: what is where, in which order, and that threads change nothing.

mod common;

use std::collections::BTreeMap;

use common::{Place, open, png, two_classes, zip_of};
use proptest::prelude::*;
use stepladder_data::{
    Augmentation, Batch, DataRequest, Dataset, Loader, LoaderConfig, Mixing, NoProgress, Part, PhotoStore,
    Scaling, Split, decode, prepare,
};
use stepladder_model::{
    ColorJitter, Erased, FillMode, FlipMode, ImageDataGenerator, ImageSize, RandAugment, RandomBrightness,
    RandomContrast, RandomErasing, RandomFlip, RandomResizedCrop, RandomRotation, RandomTransform,
    SplitFractions, TrivialAugmentWide,
};

fn ten_each() -> (Place, Dataset, PhotoStore) {
    let place = Place::new();
    let dataset = open(two_classes(&place, "x.zip", 10));
    let store = place.store(&dataset, 8);
    (place, dataset, store)
}

fn everything() -> Augmentation {
    let generator = ImageDataGenerator {
        rotation_range: 30.0,
        zoom_range: [0.8, 1.2],
        brightness_range: Some([0.5, 1.5]),
        ..ImageDataGenerator::default()
    };
    let layers = [
        RandomTransform::Rotation(RandomRotation {
            factor: [-0.4, 0.4],
            fill_mode: FillMode::Reflect,
            fill_value: 0.0,
        }),
        RandomTransform::Flip(RandomFlip {
            mode: FlipMode::Horizontal,
            alternating: false,
        }),
        RandomTransform::Brightness(RandomBrightness {
            factor: [-0.3, 0.3],
            value_range: [0.0, 1.0],
        }),
    ];
    Augmentation::new(Some(&generator), &layers)
}

fn all(loader: &Loader, epoch: u64) -> Vec<Batch> {
    loader
        .epoch(epoch)
        .map(|batch| batch.expect("readable"))
        .collect()
}

#[test]
fn without_augmentation_a_batch_holds_the_prepared_photos() {
    let (_place, dataset, store) = ten_each();
    let photos: Vec<u32> = (3..17).collect();
    let loader = Loader::new(&store, &dataset.labels(), &photos, LoaderConfig::new(4, 8)).expect("sane");
    let batches = all(&loader, 0);
    assert_eq!((loader.len(), loader.batches(), batches.len()), (14, 4, 4));
    assert_eq!(batches[3].photos, [15, 16], "the last batch is short");
    for batch in &batches {
        for (i, &photo) in batch.photos.iter().enumerate() {
            assert_eq!(batch.labels[i], dataset.photos[photo as usize].class);
            let expected = prepare(&store.photo(photo).expect("cached"), 8, Scaling::Bilinear);
            assert_eq!(batch.images[i * 192..(i + 1) * 192], expected);
        }
    }
    let order: Vec<u32> = batches.iter().flat_map(|b| b.photos.clone()).collect();
    assert_eq!(order, photos);
}

/// Of every photo, whatever its shape, in each fit: what a cache keeps makes what the whole photo makes, in its own cache file.
#[test]
fn photos_take_a_shape_that_is_not_square() {
    let place = Place::new();
    let dataset = open(two_classes(&place, "x.zip", 3));
    let size = ImageSize::new(4, 6);
    let photos: Vec<u32> = (0..6).collect();
    let mut caches = vec![place.store(&dataset, 6).path().to_path_buf()];
    for scaling in [Scaling::Bilinear, Scaling::Pad, Scaling::Stretch] {
        let cache = place.cache().with_scaling(scaling);
        let store = PhotoStore::open_or_build(&dataset, size, &cache, &NoProgress).expect("readable");
        caches.push(store.path().to_path_buf());
        let loader =
            Loader::new(&store, &dataset.labels(), &photos, LoaderConfig::new(6, size)).expect("sane");
        let batch = loader.epoch(0).next().expect("one batch").expect("readable");
        for (found, &photo) in batch.images.chunks_exact(size.values()).zip(&photos) {
            let photo = dataset.photos[photo as usize].name.as_str();
            let (class, number) = photo.split_once('/').expect("class/number.png");
            let number: u32 = number.trim_end_matches(".png").parse().expect("a number");
            let whole = match class {
                "a" => png(12, 10, number),
                _ => png(9, 14, 1000 + number),
            };
            let expected = prepare(&decode(&whole).expect("a photo"), size, scaling);
            assert_eq!(found, expected, "{photo} {scaling:?}");
        }
    }
    caches.sort();
    caches.dedup();
    assert_eq!(caches.len(), 4);
}

#[test]
fn augmentation_of_every_kind_keeps_a_shape_that_is_not_square() {
    let place = Place::new();
    let dataset = open(two_classes(&place, "x.zip", 10));
    let size = ImageSize::new(6, 10);
    let cache = place.cache().with_whole_photos(true);
    let store = PhotoStore::open_or_build(&dataset, size, &cache, &NoProgress).expect("readable");
    let photos: Vec<u32> = (0..20).collect();
    let batches = |augmentation: &Augmentation, threads| {
        let config = LoaderConfig {
            shuffle: true,
            seed: 1,
            threads,
            augmentation: augmentation.clone(),
            mixing: Mixing {
                mixup_alpha: 0.4,
                cutmix_alpha: 1.0,
                ..Mixing::default()
            },
            ..LoaderConfig::new(6, size)
        };
        all(
            &Loader::new(&store, &dataset.labels(), &photos, config).expect("sane"),
            0,
        )
    };
    let crop = RandomTransform::ResizedCrop(RandomResizedCrop {
        scale: [0.3, 1.0],
        ratio: RandomResizedCrop::RATIO,
    });
    let automatic = RandomTransform::TrivialAugmentWide(TrivialAugmentWide {
        num_magnitude_bins: 31,
        fill_value: 0.5,
    });
    for augmentation in [everything(), Augmentation::new(None, &[crop, automatic])] {
        let one = batches(&augmentation, 1);
        assert_eq!(one, batches(&augmentation, 3));
        for batch in &one {
            assert_eq!(batch.images.len(), batch.labels.len() * size.values());
            assert!(batch.images.iter().all(|v| (0.0..=1.0).contains(v)));
        }
    }
}

#[test]
fn photos_smaller_than_the_network_are_enlarged() {
    let (_place, dataset, store) = ten_each();
    let loader = Loader::new(&store, &dataset.labels(), &[0], LoaderConfig::new(1, 32)).expect("sane");
    let batch = loader.epoch(0).next().expect("one batch").expect("readable");
    assert_eq!(
        *batch.images,
        prepare(&store.photo(0).expect("cached"), 32, Scaling::Bilinear)
    );
}

#[test]
fn threads_and_prefetch_change_nothing_and_seeds_do() {
    let (_place, dataset, store) = ten_each();
    let photos: Vec<u32> = (0..20).collect();
    let batches = |seed, epoch, threads, prefetch_bytes| {
        let base = LoaderConfig::new(6, 8);
        let config = LoaderConfig {
            shuffle: true,
            seed,
            threads,
            prefetch_bytes,
            augmentation: everything(),
            ..base
        };
        all(
            &Loader::new(&store, &dataset.labels(), &photos, config).expect("sane"),
            epoch,
        )
    };
    let expected = batches(1, 0, 1, 0);
    assert_eq!(expected, batches(1, 0, 2, 1 << 20));
    assert_eq!(expected, batches(1, 0, 5, 10_000));
    assert_ne!(expected, batches(1, 1, 1, 0));
    assert_ne!(expected, batches(2, 0, 1, 0));
    let mut seen: Vec<u32> = expected.iter().flat_map(|b| b.photos.clone()).collect();
    assert_ne!(seen, photos);
    seen.sort_unstable();
    assert_eq!(seen, photos, "each photo comes once");
    assert!(
        expected
            .iter()
            .flat_map(|b| b.images.iter())
            .all(|v| (0.0..=1.0).contains(v))
    );
}

/// A crop between layers that move it, and all that changes colors.
fn crops() -> Augmentation {
    Augmentation::new(
        None,
        &[
            RandomTransform::Flip(RandomFlip {
                mode: FlipMode::Horizontal,
                alternating: true,
            }),
            RandomTransform::ResizedCrop(RandomResizedCrop {
                scale: [0.2, 1.0],
                ratio: RandomResizedCrop::RATIO,
            }),
            RandomTransform::Rotation(RandomRotation {
                factor: [-0.1, 0.1],
                fill_mode: FillMode::Reflect,
                fill_value: 0.0,
            }),
            RandomTransform::Contrast(RandomContrast {
                factor: [0.5, 0.5],
                value_range: [0.0, 1.0],
            }),
            RandomTransform::ColorJitter(ColorJitter {
                brightness: [0.5, 1.5],
                contrast: [0.5, 1.5],
                saturation: [0.5, 1.5],
                hue: [-0.2, 0.2],
            }),
            RandomTransform::TrivialAugmentWide(TrivialAugmentWide {
                num_magnitude_bins: 31,
                fill_value: 0.5,
            }),
            RandomTransform::RandAugment(RandAugment {
                num_ops: 3,
                magnitude: 20,
                num_magnitude_bins: 31,
                fill_value: 0.0,
            }),
            RandomTransform::Erasing(RandomErasing {
                probability: 0.5,
                scale: RandomErasing::SCALE,
                ratio: RandomErasing::RATIO,
                value: Erased::Random,
            }),
        ],
    )
}

#[test]
fn crops_depend_on_seed_epoch_and_photo_alone() {
    let place = Place::new();
    let dataset = open(two_classes(&place, "x.zip", 10));
    let cache = place.cache().with_whole_photos(true);
    let store = PhotoStore::open_or_build(&dataset, 8, &cache, &NoProgress).expect("readable");
    let photos: Vec<u32> = (0..20).collect();
    let batches = |size, seed, epoch, threads| {
        let config = LoaderConfig {
            seed,
            threads,
            augmentation: crops(),
            ..LoaderConfig::new(3, size)
        };
        let loader = Loader::new(&store, &dataset.labels(), &photos, config).expect("sane");
        all(&loader, epoch)
    };
    // Smaller and larger than what the cache is for.
    for size in [1, 3, 8, 16] {
        let expected = batches(size, 1, 0, 1);
        assert_eq!(expected, batches(size, 1, 0, 5));
        assert_ne!(expected, batches(size, 1, 1, 1));
        assert_ne!(expected, batches(size, 2, 0, 1));
        let mut values = expected.iter().flat_map(|batch| batch.images.iter());
        assert!(values.all(|value| (0.0..=1.0).contains(value)));
    }
}

#[test]
fn crops_are_taken_from_what_the_fit_shows() {
    let place = Place::new();
    let dataset = open(two_classes(&place, "x.zip", 1));
    let everything = RandomTransform::ResizedCrop(RandomResizedCrop {
        scale: [1.0, 1.0],
        ratio: [1.0, 1.0],
    });
    for scaling in [Scaling::Bilinear, Scaling::Pad, Scaling::Stretch] {
        let cache = place.cache().with_scaling(scaling).with_whole_photos(true);
        let store = PhotoStore::open_or_build(&dataset, 16, &cache, &NoProgress).expect("readable");
        let shown = |layers: &[RandomTransform]| {
            let config = LoaderConfig {
                augmentation: Augmentation::new(None, layers),
                ..LoaderConfig::new(1, 16)
            };
            let loader = Loader::new(&store, &dataset.labels(), &[0], config).expect("sane");
            all(&loader, 0).remove(0).images
        };
        // The first row of a photo of 12 by 10 is gray where it is padded.
        let (cut, seen) = (shown(std::slice::from_ref(&everything)), shown(&[]));
        let is_gray = |images: &[f32]| images[..48].iter().all(|v| (v * 255.0).round() == 128.0);
        assert_eq!(is_gray(&cut), scaling == Scaling::Pad);
        assert_eq!(is_gray(&seen), scaling == Scaling::Pad);
        let off = cut
            .iter()
            .zip(seen.iter())
            .map(|(a, b)| (a - b).abs())
            .sum::<f32>()
            / cut.len() as f32;
        assert!(off < 0.1, "{scaling:?}: a mean of {off} apart");
    }
}

#[test]
fn crops_need_whole_photos() {
    let (_place, dataset, store) = ten_each();
    let config = LoaderConfig {
        augmentation: crops(),
        ..LoaderConfig::new(4, 8)
    };
    let error = Loader::new(&store, &dataset.labels(), &[0], config).expect_err("there are none");
    assert!(error.to_string().contains("whole photos"), "{error}");
}

#[test]
fn an_alternating_flip_shows_each_side_in_turn() {
    let (_place, dataset, store) = ten_each();
    let photos: Vec<u32> = (0..20).collect();
    let shown = |mode, epoch| {
        let flip = RandomTransform::Flip(RandomFlip {
            mode,
            alternating: true,
        });
        let config = LoaderConfig {
            augmentation: Augmentation::new(None, &[flip]),
            ..LoaderConfig::new(1, 8)
        };
        let loader = Loader::new(&store, &dataset.labels(), &photos, config).expect("sane");
        all(&loader, epoch)
    };
    for mode in [
        FlipMode::Horizontal,
        FlipMode::Vertical,
        FlipMode::HorizontalAndVertical,
    ] {
        let epochs = [0, 1, 2, 3].map(|epoch| shown(mode, epoch));
        assert_eq!(epochs[0], epochs[2]);
        assert_eq!(epochs[1], epochs[3]);
        let mut unlike = epochs[0].iter().zip(&epochs[1]);
        assert!(unlike.all(|(first, second)| first.images != second.images));
        let plain = Loader::new(&store, &dataset.labels(), &photos, LoaderConfig::new(1, 8)).expect("sane");
        let unmoved = epochs[0].iter().zip(all(&plain, 0));
        let unmoved = unmoved
            .filter(|(shown, plain)| shown.images == plain.images)
            .count();
        assert!((4..=16).contains(&unmoved), "{unmoved} of 20 begin unmoved");
    }
}

#[test]
fn an_epoch_goes_on_where_it_was_interrupted() {
    let (_place, dataset, store) = ten_each();
    let photos: Vec<u32> = (0..20).collect();
    let config = LoaderConfig {
        shuffle: true,
        augmentation: everything(),
        ..LoaderConfig::new(3, 8)
    };
    let loader = Loader::new(&store, &dataset.labels(), &photos, config).expect("sane");
    let rest: Vec<Batch> = loader
        .epoch_from(5, 4)
        .map(|batch| batch.expect("readable"))
        .collect();
    assert_eq!(rest, all(&loader, 5)[4..]);
    assert!(loader.epoch_from(5, 99).next().is_none());
}

#[test]
fn an_epoch_may_be_dropped_at_any_time() {
    let (_place, dataset, store) = ten_each();
    let photos: Vec<u32> = (0..20).collect();
    let config = LoaderConfig {
        threads: 2,
        ..LoaderConfig::new(1, 64)
    };
    let loader = Loader::new(&store, &dataset.labels(), &photos, config).expect("sane");
    drop(loader.epoch(0));
    let mut epoch = loader.epoch(0);
    assert!(epoch.next().is_some());
    assert!(epoch.waited() > std::time::Duration::ZERO);
    drop(epoch);
    let outlives = loader.epoch(1);
    drop(loader);
    assert_eq!(outlives.count(), 20);
}

#[test]
fn an_unreadable_photo_ends_the_epoch_with_its_name() {
    let (place, dataset, store) = ten_each();
    let loader = Loader::new(&store, &dataset.labels(), &[2, 3], LoaderConfig::new(1, 8)).expect("sane");
    std::fs::write(store.path(), [0; 300]).expect("writable");
    // Else the photo would be made again.
    std::fs::write(place.path("x.zip"), "").expect("writable");
    let outcomes: Vec<_> = loader.epoch(0).collect();
    assert_eq!(outcomes.len(), 1);
    let error = outcomes[0].as_ref().expect_err("cut short").to_string();
    assert!(error.contains("a/2.png"), "{error}");
}

#[test]
fn impossible_loaders_are_refused() {
    let (_place, dataset, store) = ten_each();
    let labels = dataset.labels();
    for (photos, labels, config) in [
        (&[0][..], &labels[..], LoaderConfig::new(0, 8)),
        (&[0], &labels, LoaderConfig::new(1, 0)),
        (&[20], &labels, LoaderConfig::new(1, 8)),
        (&[5], &labels[..5], LoaderConfig::new(1, 8)),
    ] {
        assert!(Loader::new(&store, labels, photos, config).is_err());
    }
    let empty = Loader::new(&store, &labels, &[], LoaderConfig::new(1, 8)).expect("nothing to deliver");
    assert!(empty.is_empty() && empty.epoch(0).next().is_none());
}

#[test]
fn the_split_is_written_and_read() {
    let (_place, dataset, store) = ten_each();
    let split = Split::new(&dataset, &store, &SplitFractions::default(), 7).expect("enough photos");
    let mut table = Vec::new();
    split.write_tsv(&dataset, &mut table).expect("memory");
    assert!(table.starts_with(b"file\tclass\tpart\na/0.png\ta\t"));
    assert_eq!(
        Split::read_tsv(&dataset, "split.tsv", &table[..]).expect("just written"),
        split
    );

    // The same table labels the data as well.
    let place = Place::new();
    let path = two_classes(&place, "x.zip", 10);
    let labelled =
        Dataset::open(&DataRequest::path(path).with_table(place.write("split.tsv", &table))).expect("whole");
    let declared = Split::new(
        &labelled,
        &place.store(&labelled, 8),
        &SplitFractions::default(),
        99,
    );
    assert_eq!(declared.expect("declared"), split);

    for (row, words) in [
        ("gone.png\ta\ttrain", "line 2: gone.png is not in the data"),
        ("a/0.png\tb\ttrain", "of class \"b\""),
        ("a/0.png\ta\tnone", "no part"),
    ] {
        let table = format!("file\tclass\tpart\n{row}\n");
        let error = Split::read_tsv(&dataset, "split.tsv", table.as_bytes())
            .expect_err(row)
            .to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn what_the_data_declares_wins() {
    let place = Place::new();
    let names = ["train/a/1.png", "train/a/2.png", "train/b/3.png", "test/a/4.png"];
    let dataset = open(place.write(
        "x.zip",
        zip_of(names.iter().zip(0..).map(|(n, s)| (*n, png(8, 8, s)))),
    ));
    let split = Split::new(
        &dataset,
        &place.store(&dataset, 8),
        &SplitFractions {
            validation: 0.5,
            test: 0.4,
        },
        0,
    );
    let split = split.expect("declared");
    assert_eq!(
        (split.train, split.validation, split.test),
        (vec![1, 2, 3], vec![], vec![0])
    );
}

#[test]
fn fractions_that_leave_nothing_are_refused() {
    let (_place, dataset, store) = ten_each();
    for (validation, test) in [(0.6, 0.4), (-0.1, 0.1), (1.0, 0.0), (f32::NAN, 0.1)] {
        let error = Split::new(&dataset, &store, &SplitFractions { validation, test }, 0);
        assert!(error.is_err(), "{validation} {test}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Photos stay in their part when others are added or their names and classes change, and duplicates share a part.
    #[test]
    fn a_photo_keeps_its_part(seed: u64, photos in 4_u32..24, more in 1_u32..24) {
        let class = |i: u32| if i.is_multiple_of(2) { "even" } else { "odd" };
        let few = (0..photos).map(|i| (format!("{}/{i}.png", class(i)), i)).collect();
        let many = (0..photos + more)
            .flat_map(|i| [(format!("w/{}/x{i}.png", class(i + 1)), i), (format!("w/copies/{i}.png"), i)])
            .collect();
        if let (Some(few), Some(many)) = (parts_by_content(few, seed), parts_by_content(many, seed)) {
            for (content, part) in few {
                prop_assert_eq!(many[&content], part);
            }
        }
    }
}

/// The part of each content of a zip with these names and pictures; `None` where none falls into the training part.
fn parts_by_content(files: Vec<(String, u32)>, seed: u64) -> Option<BTreeMap<[u8; 32], Part>> {
    let place = Place::new();
    let dataset = open(place.write(
        "x.zip",
        zip_of(files.iter().map(|(name, i)| (name, png(5, 5, *i)))),
    ));
    let store = place.store(&dataset, 5);
    let split = Split::new(
        &dataset,
        &store,
        &SplitFractions {
            validation: 0.3,
            test: 0.2,
        },
        seed,
    )
    .ok()?;
    let mut parts = BTreeMap::new();
    for part in Part::ALL {
        for &photo in split.part(part) {
            let content = store.content_hash(photo).expect("readable");
            assert_eq!(
                *parts.entry(content).or_insert(part),
                part,
                "duplicates in two parts"
            );
        }
    }
    Some(parts)
}

//! Large sets: many files, many entries, and more entries than the old zip format counts. `bench/scale` has a million.

mod common;

use std::io::{Cursor, Write};

use common::{Place, open, png};
use stepladder_data::{Part, Split};
use stepladder_model::SplitFractions;
use zip::write::SimpleFileOptions;

#[test]
fn a_zip_of_seventy_thousand_entries_is_listed_split_and_read() {
    const ENTRIES: u32 = 70_000;
    // Beyond 65,535 entries a zip is a ZIP64.
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let photos: Vec<Vec<u8>> = (0..500).map(|seed| png(2, 2, seed)).collect();
    for number in 0..ENTRIES {
        let name = format!("class{}/{number}.png", number % 10);
        archive.start_file(name, options).expect("memory");
        archive.write_all(&photos[number as usize % 500]).expect("memory");
    }
    let place = Place::new();
    let dataset = open(place.write("many.zip", archive.finish().expect("memory").into_inner()));
    assert_eq!(
        (dataset.photos.len(), dataset.classes.len()),
        (ENTRIES as usize, 10)
    );
    let store = place.store(&dataset, 2);
    assert!(store.skipped().is_empty());
    let fractions = SplitFractions {
        validation: 0.1,
        test: 0.1,
    };
    let split = Split::new(&dataset, &store, &fractions, 0).expect("enough photos");
    let sizes = Part::ALL.map(|part| split.part(part).len());
    assert_eq!(sizes.iter().sum::<usize>(), ENTRIES as usize);
    assert!(sizes.iter().all(|&size| size > 2000), "{sizes:?}");
}

#[cfg(unix)]
#[test]
fn a_folder_of_hard_links_is_listed_in_order() {
    let place = Place::new();
    let first = place.write("set/a/first.png", png(4, 4, 1));
    std::fs::create_dir_all(place.path("set/b")).expect("ours");
    for number in 0..20_000 {
        let class = ["a", "b"][number % 2];
        std::fs::hard_link(&first, place.path(&format!("set/{class}/{number:06}.png"))).expect("ours");
    }
    let dataset = open(place.path("set"));
    assert_eq!(dataset.photos.len(), 20_001);
    assert!(dataset.photos.is_sorted_by(|a, b| a.name < b.name));
}

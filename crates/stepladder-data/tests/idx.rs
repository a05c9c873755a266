//! MNIST's IDX files.

mod common;

use std::io::Write;

use common::{Place, listing, open};
use flate2::{Compression, write::GzEncoder};
use stepladder_data::{DataRequest, Dataset, RgbPhoto};

fn file(sizes: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(values);
    bytes
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).expect("memory");
    gzip.finish().expect("memory")
}

fn pair(place: &Place, prefix: &str, labels: &[u8]) {
    let pixels: Vec<u8> = (0..labels.len() * 6).map(|i| i as u8).collect();
    let images = file(&[labels.len() as u32, 2, 3], &pixels);
    place.write(&format!("set/{prefix}-images-idx3-ubyte.gz"), packed(&images));
    place.write(
        &format!("set/{prefix}-labels-idx1-ubyte.gz"),
        packed(&file(&[labels.len() as u32], labels)),
    );
}

#[test]
fn a_folder_of_pairs() {
    let place = Place::new();
    pair(&place, "train", &[1, 0, 1]);
    pair(&place, "t10k", &[0]);
    let dataset = open(place.path("set"));
    assert_eq!(dataset.classes, ["0", "1"]);
    assert_eq!(
        listing(&dataset),
        [
            "0 test t10k-images/000000",
            "1 train train-images/000000",
            "0 train train-images/000001",
            "1 train train-images/000002"
        ]
    );
    assert_eq!(dataset.typical_short_side(), Some(2));
    let store = place.store(&dataset, 8);
    // The left square of 3 by 2 pixels.
    let gray = [6, 7, 9, 10].into_iter().flat_map(|v| [v; 3]).collect();
    assert_eq!(Some(store.photo(2).expect("cached")), RgbPhoto::new(2, 2, gray));

    let lone = open(place.path("set/train-images-idx3-ubyte.gz"));
    assert_eq!((lone.photos.len(), lone.declares_parts()), (3, false));
}

#[test]
fn pairs_that_do_not_fit_are_refused() {
    for (images, labels, words) in [
        (
            file(&[2, 2, 3], &[0; 12]),
            file(&[3], &[0; 3]),
            "do not belong together",
        ),
        (file(&[2, 2, 3], &[0; 12]), file(&[2], &[0]), "cut short"),
        (
            file(&[u32::MAX, 65535, 65535], &[]),
            file(&[u32::MAX], &[]),
            "cannot be used",
        ),
        (file(&[2, 0, 3], &[]), file(&[2], &[0, 1]), "cannot be used"),
        (vec![0, 0, 8], file(&[2], &[0, 1]), "cannot read"),
        (b"something else".to_vec(), file(&[2], &[0, 1]), "not an IDX file"),
    ] {
        let place = Place::new();
        place.write("set/x-images-idx3-ubyte", images);
        place.write("set/x-labels-idx1-ubyte", labels);
        let error = Dataset::open(&DataRequest::path(place.path("set")))
            .expect_err(words)
            .to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
}

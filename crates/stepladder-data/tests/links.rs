//! Symbolic links in folders of photos: what is not followed is said, and what is followed leads in no circle.
#![cfg(unix)]

mod common;

use common::{Place, listing, open, png};
use std::os::unix::fs::symlink;
use stepladder_data::{DataError, DataRequest, Dataset, Reading, Remark};

fn followed(place: &Place, name: &str) -> Dataset {
    let reading = Reading {
        follow_links: true,
        ..Reading::default()
    };
    Dataset::open(&DataRequest::path(place.path(name)).with_reading(reading))
        .expect("the links lead to photos")
}

#[test]
fn links_to_folders_and_files_elsewhere_are_followed_on_request() {
    let place = Place::new();
    place.write("disk/a/1.png", png(8, 8, 1));
    place.write("disk/b/2.png", png(8, 8, 2));
    place.write("set/readme.md", "links");
    for class in ["a", "b"] {
        symlink(place.path("disk").join(class), place.path("set").join(class)).expect("links");
    }
    let refused = Dataset::open(&DataRequest::path(place.path("set"))).expect_err("no photo without links");
    assert!(
        matches!(refused, DataError::BehindLinks { links: 2, .. }),
        "{refused}"
    );
    assert_eq!(listing(&followed(&place, "set")), ["a - a/1.png", "b - b/2.png"]);

    std::fs::create_dir_all(place.path("files/a")).expect("writable");
    place.write("files/b/2.png", png(8, 8, 2));
    symlink(place.path("disk/a/1.png"), place.path("files/a/1.png")).expect("links");
    assert!(matches!(
        Dataset::open(&DataRequest::path(place.path("files"))),
        Err(DataError::BehindLinks { .. })
    ));
    assert_eq!(listing(&followed(&place, "files")).len(), 2);
}

#[test]
fn a_part_or_class_behind_a_link_is_said_to_be_missing() {
    let place = Place::new();
    for (photo, class) in ["a", "b"].iter().enumerate() {
        place.write(&format!("set/train/{class}/1.png"), png(8, 8, photo as u32));
        place.write(&format!("more/{class}/2.png"), png(8, 8, photo as u32 + 5));
    }
    symlink(place.path("more"), place.path("set/val")).expect("links");
    let said = open(place.path("set")).remarks;
    assert!(
        matches!(&said[..], [Remark::LinksNotFollowed { folders: 1, example, .. }] if example == "val"),
        "{said:?}"
    );
    let dataset = followed(&place, "set");
    assert_eq!(dataset.remarks, []);
    assert_eq!(listing(&dataset)[2], "a validation val/a/2.png");
}

#[test]
fn circles_and_second_ways_to_a_folder_end() {
    let place = Place::new();
    place.write("set/a/1.png", png(8, 8, 1));
    place.write("set/b/2.png", png(8, 8, 2));
    symlink(place.path("set"), place.path("set/b/loop")).expect("links");
    symlink(place.path("."), place.path("set/a/above")).expect("links");
    symlink(place.path("set/a"), place.path("set/c")).expect("links");
    place.write("other/3.png", png(8, 8, 3));
    symlink(place.path("other"), place.path("set/b/x")).expect("links");
    symlink(place.path("set"), place.path("other/back")).expect("links");
    let dataset = followed(&place, "set");
    let names: Vec<String> = listing(&dataset);
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(
        dataset
            .skipped
            .iter()
            .any(|skipped| skipped.reason.contains("read already"))
    );
}

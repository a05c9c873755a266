//! A folder full of links leads nowhere.
#![cfg(unix)]

use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use stepladder_files::Folder;

fn places() -> (tempfile::TempDir, Folder) {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("run")).unwrap();
    std::fs::create_dir(place.path().join("elsewhere")).unwrap();
    std::fs::write(place.path().join("elsewhere/diary"), "my diary").unwrap();
    let run = Folder::open(place.path().join("run")).unwrap();
    (place, run)
}

fn diary(place: &Path) -> String {
    std::fs::read_to_string(place.join("elsewhere/diary")).unwrap()
}

#[test]
fn links_to_files_are_neither_read_nor_added_to_but_replaced_and_removed() {
    let (place, run) = places();
    for (target, name) in [("../elsewhere/diary", "log"), ("../elsewhere/new", "dangling")] {
        symlink(target, place.path().join("run").join(name)).unwrap();
        assert!(run.read(name).is_err());
        let refusal = run.append(name).unwrap_err();
        assert_eq!(refusal.kind(), ErrorKind::InvalidInput);
        assert!(refusal.to_string().contains("symbolic link"), "{refusal}");
        run.replace(name, |file| file.write_all(b"mine")).unwrap();
        assert_eq!(run.read_all(name, 9).unwrap(), b"mine");
        run.remove(name).unwrap();
        symlink(target, place.path().join("run").join(name)).unwrap();
        run.remove(name).unwrap();
    }
    assert_eq!(diary(place.path()), "my diary");
    assert!(!place.path().join("elsewhere/new").exists());
}

#[test]
fn links_to_folders_are_not_entered() {
    let (place, run) = places();
    symlink("../elsewhere", place.path().join("run/checkpoints")).unwrap();
    for refusal in [run.folder("checkpoints"), run.make_folder("checkpoints")] {
        let message = refusal.unwrap_err().to_string();
        assert!(message.contains("symbolic link"), "{message}");
    }
    assert!(run.remove_folder("checkpoints").is_err());
    assert_eq!(diary(place.path()), "my diary");
}

#[test]
fn a_file_with_a_second_name_elsewhere_is_copied_before_it_is_added_to() {
    let (place, run) = places();
    std::fs::hard_link(place.path().join("elsewhere/diary"), place.path().join("run/log")).unwrap();
    let mut log = run.append("log").unwrap();
    log.write_all(b" and more").unwrap();
    log.set_len(13).unwrap();
    assert_eq!(diary(place.path()), "my diary");
    let mut text = String::new();
    run.read("log").unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "my diary and ");
}

#[test]
fn pipes_are_errors_at_once() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let (place, run) = places();
    let pipe = place.path().join("run/pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    assert!(run.read("pipe").is_err() && run.append("pipe").is_err());
}

#[test]
fn names_are_sorted_and_folders_made_once() {
    let (_place, run) = places();
    for name in ["b", "a"] {
        run.make_folder(name).unwrap();
        run.make_folder(name).unwrap();
    }
    run.replace("c", |_| Ok(())).unwrap();
    assert_eq!(run.names().unwrap(), ["a", "b", "c"]);
}

#[test]
fn what_is_created_replaces_nothing_and_what_is_taken_is_gone() {
    let (_place, run) = places();
    assert!(run.create("request", b"stop").unwrap());
    assert!(!run.create("request", b"checkpoint").unwrap());
    assert_eq!(run.take("request", 9).unwrap(), b"stop");
    assert_eq!(run.take("request", 9).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(run.names().unwrap().len(), 0);
}

#[test]
fn a_file_that_was_replaced_is_another() {
    let (_place, run) = places();
    let lock = run.append("lock").unwrap();
    assert!(run.holds("lock", &lock));
    run.replace("lock", |_| Ok(())).unwrap();
    assert!(!run.holds("lock", &lock));
    run.remove("lock").unwrap();
    assert!(!run.holds("lock", &lock));
}

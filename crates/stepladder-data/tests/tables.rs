//! Tables that say which photos to use, as what, and for which part.

mod common;

use common::{Place, listing, open, png, reason, zip_of};
use stepladder_data::{DataError, DataRequest, Dataset};

fn photos(place: &Place) -> std::path::PathBuf {
    let names = ["wrap/x/1.png", "wrap/x/2.png", "wrap/y/3.png", "wrap/y/4.png"];
    place.write(
        "photos.zip",
        zip_of(names.iter().zip(0..).map(|(name, seed)| (*name, png(8, 8, seed)))),
    )
}

fn with_table(place: &Place, name: &str, table: &str) -> Result<Dataset, DataError> {
    Dataset::open(&DataRequest::path(photos(place)).with_table(place.write(name, table)))
}

#[test]
fn columns_in_any_order_and_under_other_names() {
    let place = Place::new();
    let expected = ["p train wrap/x/1.png", "q validation wrap/y/3.png"];
    for (name, table) in [
        (
            "t.tsv",
            "file\tclass\tsplit\nx/1.png\tp\ttrain\ny/3.png\tq\tval\n",
        ),
        (
            "t.csv",
            "\u{feff}Label,Part,note,Path\r\np,Training,\"a, b\",wrap/x/1.png\r\nq,valid,,y\\3.png\r\n",
        ),
        (
            "t.csv",
            "filename;set;class\nx/1.png;TRAIN;p\nx/1.png;train;p\n./y/3.png;dev;q\n",
        ),
    ] {
        // The second class is not trained, which `open` would refuse.
        let request = DataRequest::path(photos(&place)).with_table(place.write(name, table));
        let dataset = Dataset::open_for_evaluation(&request).unwrap_or_else(|e| panic!("{table}: {e}"));
        assert_eq!(listing(&dataset), expected, "{table}");
    }
}

#[test]
fn rows_that_cannot_be_used_are_listed() {
    let place = Place::new();
    let table = "file,class,split\nx/1.png,p,train\nx/2.png,q,train\ny/3.png,q,\ngone.png,p,train\n../../x.png,p,test\n";
    let dataset = with_table(&place, "t.csv", table).expect("two rows are good");
    assert_eq!(
        listing(&dataset),
        ["p train wrap/x/1.png", "q train wrap/x/2.png"]
    );
    assert!(reason(&dataset, "gone.png").contains("photos.zip"));
    assert!(reason(&dataset, "../../x.png").contains("outside"));
    assert!(reason(&dataset, "wrap/y/3.png").contains("no part"));
}

#[test]
fn the_names_of_a_listing_find_their_files_again() {
    let place = Place::new();
    let odd = "b/\u{1b}[31m\n.png";
    let path = place.write(
        "odd.zip",
        zip_of([("a/1.png", png(8, 8, 1)), (odd, png(8, 8, 2))]),
    );
    let listed = open(&path);
    let rows: Vec<_> = listed
        .photos
        .iter()
        .map(|photo| format!("{}\tx{}", photo.name, photo.class))
        .collect();
    let table = place.write("t.tsv", format!("file\tclass\n{}\n", rows.join("\n")));
    let again = Dataset::open(&DataRequest::path(path).with_table(table)).expect("the same files");
    assert_eq!(listing(&again), ["x0 - a/1.png", "x1 - b/\\u{1b}[31m\\u{a}.png"]);
}

#[test]
fn mistakes_name_the_line() {
    let place = Place::new();
    for (table, words) in [
        (
            "x/1.png,p\nx/2.png,q\n",
            "line 1: the first line must name the columns",
        ),
        (
            "file,class,split\nx/1.png,p,train\nx/2.png,q,tset\n",
            "line 3: \"tset\" is no part",
        ),
        (
            "file,class\nx/1.png,p\nx/2.png,\n",
            "line 3: a row needs a file and a class",
        ),
        (
            "file,class\nx/1.png,p\nx/1.png,q\n",
            "line 3: wrap/x/1.png has another class or part in line 2",
        ),
        ("file,class\nnope.png,p\n", "no usable photos"),
        ("", "line 1"),
        ("file,class\nx/1.png,p\n", "only one class"),
    ] {
        let error = with_table(&place, "t.csv", table).expect_err(table).to_string();
        assert!(error.contains(words), "{table}: {error}");
    }
}

#[test]
fn a_table_names_files_in_its_own_folder_or_below_a_given_one() {
    let place = Place::new();
    place.write("set/one.png", png(8, 8, 1));
    place.write("set/sub/two.png", png(8, 8, 2));
    place.write("secret.png", png(8, 8, 3));
    let table = "path,label\none.png,a\nsub/two.png,b\n../secret.png,b\nmissing.png,a\n";
    let inside = place.write("set/labels.csv", table);
    let elsewhere = place.write("other/labels.csv", table);
    for request in [
        DataRequest::path(&inside),
        DataRequest {
            table: Some(inside),
            ..DataRequest::default()
        },
        DataRequest::path(place.path("set")).with_table(&elsewhere),
    ] {
        let dataset = Dataset::open(&request).expect("two rows are good");
        assert_eq!(listing(&dataset), ["a - one.png", "b - sub/two.png"]);
        assert!(reason(&dataset, "../secret.png").contains("outside"));
        assert!(reason(&dataset, "missing.png").contains("no such file"));
    }
}

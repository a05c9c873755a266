//! Tables that say which photos to use, as what, and for which part.

mod common;

use common::{Place, listing, open, png, reason, zip_of};
use stepladder_data::{DataError, DataRequest, Dataset, TableForm};

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
            "folders.csv",
            "file,class,split\nx/1.png,p,training_set\ny/3.png,q,eval\n",
        ),
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
        ("x/1.png,p\nx/2.png,p\n", "only one class"),
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

/// The classes of a table about photos 0.png to 5.png in a folder `photos`, or what is wrong with it.
fn in_folder(place: &Place, table: &[u8], form: TableForm) -> Result<Dataset, String> {
    for number in 0..6 {
        place.write(&format!("photos/{number}.png"), png(8, 8, number));
    }
    let request = DataRequest {
        table_form: form,
        ..DataRequest::path(place.path("photos")).with_table(place.write("table.csv", table))
    };
    Dataset::open(&request).map_err(|error| error.to_string())
}

fn encoded(encoding: &str) -> TableForm {
    TableForm {
        encoding: Some(String::from(encoding)),
        ..TableForm::default()
    }
}

/// `роза` and `мята` have as many letters, and none of them is in ASCII.
const RUSSIAN: &str = "file,class\r\n0.png,роза\r\n1.png,мята\r\n";

#[test]
fn a_table_in_another_encoding_is_decoded_or_refused_and_never_merged() {
    let place = Place::new();
    let legacy = encoding_rs::WINDOWS_1251.encode(RUSSIAN).0.into_owned();
    let error = in_folder(&place, &legacy, TableForm::default()).expect_err("not UTF-8");
    assert!(
        error.contains("table.csv, line 2: text that is not UTF-8")
            && error.contains("\"роза\" in windows-1251"),
        "{error}"
    );
    let dataset = in_folder(&place, &legacy, encoded("cp1251")).expect("decoded");
    assert_eq!(dataset.classes, ["мята", "роза"]);
    let error = in_folder(&place, RUSSIAN.as_bytes(), encoded("gbk2")).expect_err("no encoding");
    assert!(error.contains("no encoding \"gbk2\""), "{error}");
    let error = in_folder(
        &place,
        b"file,class\n0.png,a\n1.png,\xff\xff\n",
        encoded("shift_jis"),
    );
    let error = error.expect_err("not Shift-JIS");
    assert!(error.contains("line 3: bytes that are not Shift_JIS"), "{error}");
}

#[test]
fn utf16_is_known_by_its_mark() {
    let place = Place::new();
    let little: Vec<u8> = RUSSIAN.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = RUSSIAN.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for table in [
        [&b"\xff\xfe"[..], &little].concat(),
        [&b"\xfe\xff"[..], &big].concat(),
    ] {
        let dataset = in_folder(&place, &table, TableForm::default()).expect("marked");
        assert_eq!(dataset.classes, ["мята", "роза"]);
    }
    let error = in_folder(&place, &little, TableForm::default()).expect_err("unmarked");
    assert!(error.contains("UTF-16"), "{error}");
    assert!(in_folder(&place, &little, encoded("utf-16")).is_ok());
}

#[test]
fn other_forms_are_read_where_they_are_clear_and_that_is_said() {
    let place = Place::new();
    for (table, note) in [
        ("image_id,breed\n0,p\n1,q\n", "\"image_id\" is read as the file"),
        ("Image,Id\n0.png,p\n1.png,q\n", "\"Id\" as the class"),
        ("0.png,p\n1.png,q\n", "the first line is a photo"),
        ("0.png p\n1.png q\n", "the first line is a photo"),
        (
            "filename, p, q\n0.png, 1, 0\n1.png, 0, 1\n",
            "the 1 in 2 other columns",
        ),
        (
            "file,class,part\n0.png,p,leaf\n1.png,q,stem\n",
            "names no part (leaf, stem)",
        ),
        (
            "file,class\nphotos/0.png,p\n/ada/1.png,q\nphotos/1.PNG,q\n",
            "2 rows of the table name",
        ),
        ("sep=;\nfile;tag\n0.png;p\n1.png;q\n;\n", "\"tag\" as the class"),
    ] {
        let dataset = in_folder(&place, table.as_bytes(), TableForm::default());
        let dataset = dataset.unwrap_or_else(|error| panic!("{table}: {error}"));
        assert_eq!(listing(&dataset), ["p - 0.png", "q - 1.png"], "{table}");
        assert!(
            dataset.remarks.iter().any(|said| said.to_string().contains(note)),
            "{table}: {:?}",
            dataset.remarks
        );
    }
    let plain = in_folder(
        &place,
        b"file,class\n0.png,p\n1.png,q\n,\n,\n",
        TableForm::default(),
    );
    assert!(plain.expect("usual").remarks.is_empty());
    let several = in_folder(
        &place,
        b"file,label\n0.png,p\n1.png,p rust\n",
        TableForm::default(),
    );
    assert!(
        several.expect("two").remarks[0]
            .to_string()
            .contains("\"p rust\" look like several labels")
    );
}

#[test]
fn what_is_not_clear_is_refused_with_its_line() {
    let place = Place::new();
    for (table, words) in [
        (
            "file,hue,form\n0.png,p,r\n1.png,q,s\n",
            "which column names the class",
        ),
        ("a,b\nx,p\ny,q\n", "no column names photos"),
        (
            "file,p,q\n0.png,1,1\n",
            "line 2: 0.png has several classes (p, q)",
        ),
        (
            "file,class\n\"0.png,p\n1.png,q\n",
            "line 2: a quotation mark is opened here",
        ),
        ("file,class\r\n0.png,p\r\n1.png,\r\n", "line 3: a row needs"),
        ("file,class\r0.png,p\r1.png,", "line 3: a row needs"),
        ("{\"file\": \"0.png\"}\n", "this is JSON"),
    ] {
        let error = in_folder(&place, table.as_bytes(), TableForm::default()).expect_err(table);
        assert!(error.contains(words), "{table}: {error}");
    }
    let form = TableForm {
        class: Some(String::from("form")),
        ..TableForm::default()
    };
    let stated = in_folder(&place, b"file,hue,form\n0.png,p,r\n1.png,q,s\n", form).expect("stated");
    assert_eq!(stated.classes, ["r", "s"]);
}

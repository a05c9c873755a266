//! Which photo a table's row means, where its name is not quite the file's: with a folder before it that is not there, or without
//! one that is, in other case, with another extension or none. Only what can mean one photo alone is taken.

use std::collections::HashMap;

use super::Place;
use crate::source::Entry;

/// Files of one name that are compared with a row's; where there are more, a row must say it exactly.
const MOST_ALIKE: usize = 200;

/// Extensions that may be missing, or another one.
const EXTENSIONS: [&str; 20] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "gif", "tif", "tiff", "ppm", "pgm", "pbm",
    "pnm", "heic", "heif", "avif", "jxl", "dng",
];

/// Finds photos by the names in a table.
pub(super) struct Finder<P> {
    place: P,
    alike: Option<Alike>,
    /// What stands before the names of the table and not before those of the files; the same for all rows.
    prefix: Option<Vec<String>>,
    renamed: usize,
    example: Option<(String, String)>,
}

/// The files of a place, by what remains of their names without folders, case and extension.
struct Alike {
    names: Vec<String>,
    by_stem: HashMap<String, Vec<u32>>,
}

/// How nearly two names agree, the nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Likeness {
    Exact,
    Case,
    Extension,
}

impl<P: Place> Finder<P> {
    pub(super) fn new(place: P) -> Self {
        Self {
            place,
            alike: None,
            prefix: None,
            renamed: 0,
            example: None,
        }
    }

    pub(super) fn into_place(self) -> P {
        self.place
    }

    /// Whether some photo has this name, or could be meant by it.
    pub(super) fn knows(&mut self, name: &str) -> bool {
        !name.is_empty() && (self.place.exact(name).is_ok() || self.meant(name).is_ok())
    }

    /// The photo that a row names, or why there is none.
    pub(super) fn find(&mut self, name: &str) -> Result<Entry, String> {
        let reason = match self.place.exact(name) {
            Ok(entry) => return Ok(entry),
            Err(reason) => reason,
        };
        match self.meant(name) {
            Ok((real, prefix)) => {
                let entry = self.place.exact(&real)?;
                self.prefix = self.prefix.take().or(prefix);
                self.renamed += 1;
                self.example
                    .get_or_insert_with(|| (String::from(name), entry.name.clone()));
                Ok(entry)
            }
            Err(None) => Err(reason),
            Err(Some(hint)) => Err(format!("{reason}; {hint}")),
        }
    }

    /// What to say of the names that are not the files' own.
    pub(super) fn note(&self) -> Option<String> {
        let (typed, file) = self.example.as_ref()?;
        let rows = match self.renamed {
            1 => String::from("1 row"),
            rows => format!("{rows} rows"),
        };
        Some(format!(
            "{rows} of the table name their photo a little differently, such as {} for {file}",
            crate::names::printable(typed)
        ))
    }

    /// The one file that a name can mean, and what stands before it in the table; or a hint, if there is any.
    fn meant(&mut self, name: &str) -> Result<(String, Option<Vec<String>>), Option<String>> {
        let (place, earlier) = (&self.place, &self.prefix);
        let alike = self.alike.get_or_insert_with(|| Alike::new(place.names()));
        let wanted = components(name);
        let candidates = alike.candidates(&wanted);
        for likeness in [Likeness::Exact, Likeness::Case, Likeness::Extension] {
            let related: Vec<&String> = candidates
                .iter()
                .copied()
                .filter(|file| is_related(&wanted, &components(file), likeness))
                .collect();
            // The longest says most: of a/1.jpg and 1.jpg, x/a/1.jpg is the former.
            let depth = |file: &String| components(file).len().min(wanted.len());
            let deepest = related.iter().map(|file| depth(file)).max().unwrap_or(0);
            let mut best = related.into_iter().filter(|file| depth(file) == deepest);
            match (best.next(), best.next()) {
                (None, _) => {}
                (Some(file), None) => return with_prefix(earlier.as_deref(), &wanted, file.clone()),
                (Some(one), Some(other)) => {
                    return Err(Some(format!("it could be {one} or {other}")));
                }
            }
        }
        Err(candidates.first().map(|file| format!("did you mean {file}?")))
    }
}

/// The file, and what stands before it in the table, if that is what stood there in `earlier` rows.
fn with_prefix(
    earlier: Option<&[String]>,
    wanted: &[String],
    file: String,
) -> Result<(String, Option<Vec<String>>), Option<String>> {
    let before = wanted.len().saturating_sub(components(&file).len());
    if before == 0 {
        return Ok((file, None));
    }
    let prefix = wanted[..before].to_vec();
    match earlier {
        Some(earlier) if *earlier != prefix => Err(Some(format!("did you mean {file}?"))),
        _ => Ok((file, Some(prefix))),
    }
}

impl Alike {
    fn new(names: Vec<String>) -> Self {
        let mut by_stem: HashMap<String, Vec<u32>> = HashMap::new();
        for (name, number) in names.iter().zip(0..) {
            let last = name.rsplit('/').next().unwrap_or(name);
            by_stem.entry(stem(last).to_lowercase()).or_default().push(number);
        }
        Self { names, by_stem }
    }

    fn candidates(&self, wanted: &[String]) -> Vec<&String> {
        let Some(last) = wanted.last() else {
            return Vec::new();
        };
        let numbers = self.by_stem.get(&stem(last).to_lowercase());
        let numbers = numbers.filter(|numbers| numbers.len() <= MOST_ALIKE);
        numbers
            .into_iter()
            .flatten()
            .map(|&number| &self.names[number as usize])
            .collect()
    }
}

/// Whether one of the two paths ends with the other.
fn is_related(wanted: &[String], file: &[String], likeness: Likeness) -> bool {
    let (Some((wanted_last, wanted_folders)), Some((file_last, file_folders))) =
        (wanted.split_last(), file.split_last())
    else {
        return false;
    };
    let same = |a: &String, b: &String| match likeness {
        Likeness::Exact => a == b,
        Likeness::Case | Likeness::Extension => a.to_lowercase() == b.to_lowercase(),
    };
    let last = match likeness {
        Likeness::Exact | Likeness::Case => same(wanted_last, file_last),
        Likeness::Extension => stem(wanted_last).to_lowercase() == stem(file_last).to_lowercase(),
    };
    let folders = wanted_folders.iter().rev().zip(file_folders.iter().rev());
    last && folders.into_iter().all(|(a, b)| same(a, b))
}

/// The parts of a path in a table: of any system, or a file's URL.
fn components(name: &str) -> Vec<String> {
    let (name, is_url) = match name.strip_prefix("file://") {
        Some(rest) => (rest, true),
        None => (name, false),
    };
    let parts = name
        .split(['/', '\\'])
        .filter(|part| !part.is_empty() && *part != ".");
    parts
        .map(|part| {
            if is_url {
                unescaped(part)
            } else {
                String::from(part)
            }
        })
        .collect()
}

/// The text that a URL's %20 and alike stand for; where it would be none, as it is.
fn unescaped(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| String::from(part))
}

/// A file's name without an extension of pictures.
fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, extension))
            if EXTENSIONS
                .iter()
                .any(|known| extension.eq_ignore_ascii_case(known)) =>
        {
            stem
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files(Vec<&'static str>);

    impl Place for Files {
        fn exact(&mut self, name: &str) -> Result<Entry, String> {
            let number = self.0.iter().position(|file| *file == name);
            let number = number.ok_or("there is no such file")? as u32;
            Ok(Entry {
                name: String::from(name),
                number,
            })
        }

        fn names(&self) -> Vec<String> {
            self.0.iter().map(|&name| String::from(name)).collect()
        }
    }

    fn found(files: &[&'static str], name: &str) -> Result<String, String> {
        Finder::new(Files(files.to_vec()))
            .find(name)
            .map(|entry| entry.name)
    }

    #[test]
    fn a_name_that_can_mean_one_photo_alone_finds_it() {
        for (file, name) in [
            ("1.jpg", "1"),
            ("1.jpg", "1.JPG"),
            ("1.jpg", "photos/1.jpg"),
            ("1.jpg", "/home/ada/photos/1.jpg"),
            ("1.jpg", "C:\\Users\\ada\\photos\\1.jpg"),
            ("my 1.jpg", "file:///home/ada/my%201.jpg"),
            ("train/1.jpg", "1.jpg"),
            ("train/1.png", "photos/Train/1.jpg"),
            ("a.b.jpg", "a.b"),
        ] {
            assert_eq!(found(&[file, "other.jpg"], name).as_deref(), Ok(file), "{name}");
        }
        assert_eq!(
            found(&["a/1.jpg", "1.jpg"], "x/a/1.jpg").as_deref(),
            Ok("a/1.jpg")
        );
        assert_eq!(found(&["1.jpg", "1.png"], "1.JPG").as_deref(), Ok("1.jpg"));
    }

    #[test]
    fn what_could_mean_several_or_another_is_refused_with_a_hint() {
        let two = found(&["a/1.jpg", "b/1.jpg"], "1.jpg").expect_err("ambiguous");
        assert!(two.contains("a/1.jpg or b/1.jpg"), "{two}");
        // Another folder is another photo.
        let other = found(&["a/1.jpg"], "b/1.jpg").expect_err("another photo");
        assert!(other.ends_with("did you mean a/1.jpg?"), "{other}");
        assert!(found(&["1.jpg", "1.png"], "1").is_err());
        assert!(found(&["1.jpg"], "2.jpg").is_err());
    }

    #[test]
    fn what_stands_before_the_names_is_the_same_in_all_rows() {
        let mut finder = Finder::new(Files(vec!["1.jpg", "2.jpg", "3.jpg"]));
        assert!(finder.find("photos/1.jpg").is_ok() && finder.find("photos/2.JPG").is_ok());
        let error = finder.find("others/3.jpg").expect_err("another folder");
        assert!(error.contains("did you mean 3.jpg?"), "{error}");
        assert!(finder.note().expect("two rows").starts_with("2 rows"));
    }
}

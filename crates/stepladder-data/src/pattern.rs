//! Patterns for the names of files, which say where in a name the class stands, or the group: `{class}.*`, `{group}_{number}.*`.

use std::fmt;

use crate::error::DataError;
use crate::names::nfc;

/// A pattern that has been understood. It is compared with as many components at the end of a name as it has itself, in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamePattern {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// This character, in upper or lower case.
    Char(char),
    /// Any characters within a component, or none.
    Any,
    /// One digit or more.
    Number,
    /// The class, or the group: at least one character, and no more than needed.
    Class,
    Group,
}

/// What a name holds by a pattern.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Captured {
    pub(crate) class: Option<String>,
    pub(crate) group: Option<String>,
}

/// More pieces than any file's name needs.
const LONGEST: usize = 200;

impl NamePattern {
    /// Reads a pattern. One without a placeholder or a star is the name of a file as an example: its last number is any number, and what stands
    /// before is the class.
    pub(crate) fn parse(text: &str) -> Result<Self, DataError> {
        let wrong = |what: &str| {
            DataError::Setting(format!(
                "the pattern {text} {what}; write {{class}} or {{group}} where it stands in a name, {{number}} for digits and * for anything, as in {{class}}_{{number}}.*"
            ))
        };
        let example;
        let mut rest = match text.contains(['{', '*']) {
            true => text,
            false => {
                example = by_example(text).ok_or_else(|| wrong("does not say where the class is"))?;
                example.as_str()
            }
        };
        let mut pieces = Vec::new();
        while let Some(c) = rest.chars().next() {
            let (piece, length) = match c {
                '*' => (Piece::Any, 1),
                '{' => placeholder(rest).ok_or_else(|| wrong("has a placeholder that is not known"))?,
                c => (Piece::Char(c), c.len_utf8()),
            };
            pieces.push(piece);
            rest = &rest[length..];
        }
        let times = |wanted| pieces.iter().filter(|piece| **piece == wanted).count();
        if pieces.len() > LONGEST || times(Piece::Class) > 1 || times(Piece::Group) > 1 {
            return Err(wrong("is too long, or names one thing twice"));
        }
        let text = String::from(text);
        Ok(Self { text, pieces })
    }

    pub(crate) fn has_class(&self) -> bool {
        self.pieces.contains(&Piece::Class)
    }

    pub(crate) fn has_group(&self) -> bool {
        self.pieces.contains(&Piece::Group)
    }

    /// What the pattern finds in a name; `None` where the name is not of this form.
    pub(crate) fn find(&self, name: &str) -> Option<Captured> {
        let components = 1 + self
            .pieces
            .iter()
            .filter(|piece| **piece == Piece::Char('/'))
            .count();
        let name = nfc(name);
        let at = name
            .rmatch_indices('/')
            .nth(components - 1)
            .map_or(0, |(at, _)| at + 1);
        let name: Vec<char> = name[at..].chars().collect();
        let mut search = Search {
            pieces: &self.pieces,
            name: &name,
            failed: vec![false; (self.pieces.len() + 1) * (name.len() + 1)],
            captured: Captured::default(),
        };
        search.matches(0, 0).then_some(search.captured)
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A search with what has failed already, so that no name takes long.
struct Search<'a> {
    pieces: &'a [Piece],
    name: &'a [char],
    failed: Vec<bool>,
    captured: Captured,
}

impl Search<'_> {
    fn matches(&mut self, piece: usize, at: usize) -> bool {
        let Some(&wanted) = self.pieces.get(piece) else {
            return at == self.name.len();
        };
        let place = piece * (self.name.len() + 1) + at;
        if self.failed[place] {
            return false;
        }
        let found = match wanted {
            Piece::Char(c) => {
                let same = |other: &char| *other == c || other.to_lowercase().eq(c.to_lowercase());
                self.name.get(at).is_some_and(same) && self.matches(piece + 1, at + 1)
            }
            Piece::Any => self.run(piece, at, 0, |c| c != '/').is_some(),
            Piece::Number => self.run(piece, at, 1, |c| c.is_ascii_digit()).is_some(),
            Piece::Class => {
                let end = self.run(piece, at, 1, |c| c != '/');
                self.captured.class = end.map(|end| self.name[at..end].iter().collect());
                end.is_some()
            }
            Piece::Group => {
                let end = self.run(piece, at, 1, |c| c != '/');
                self.captured.group = end.map(|end| self.name[at..end].iter().collect());
                end.is_some()
            }
        };
        self.failed[place] = !found;
        found
    }

    /// Where the shortest run of such characters ends after which the rest of the pattern fits.
    fn run(&mut self, piece: usize, at: usize, least: usize, fits: impl Fn(char) -> bool) -> Option<usize> {
        let mut end = at;
        loop {
            if end - at >= least && self.matches(piece + 1, end) {
                return Some(end);
            }
            if !self.name.get(end).is_some_and(|c| fits(*c)) {
                return None;
            }
            end += 1;
        }
    }
}

fn placeholder(text: &str) -> Option<(Piece, usize)> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    let piece = match name {
        "class" => Piece::Class,
        "group" => Piece::Group,
        "number" => Piece::Number,
        _ => return None,
    };
    Some((piece, name.len() + 2))
}

/// The pattern of names like `cat.0.jpg`: the class, what separates it, a number, and an extension.
fn by_example(name: &str) -> Option<String> {
    let (class, rest) = class_and_rest(name)?;
    (!class.is_empty()).then(|| format!("{{class}}{rest}"))
}

/// Splits `cat.0.jpg` into `cat` and the pattern `.{number}.*`.
fn class_and_rest(name: &str) -> Option<(&str, String)> {
    let (stem, _) = name.rsplit_once('.')?;
    let numbered = stem.trim_end_matches(|c: char| !c.is_alphanumeric());
    let tail = &stem[numbered.len()..];
    let named = numbered.trim_end_matches(|c: char| c.is_ascii_digit());
    let class = named.trim_end_matches(|c: char| !c.is_alphanumeric());
    let separator = &named[class.len()..];
    let special = |text: &str| text.contains(['{', '}', '*', '/']);
    (named.len() < numbered.len() && !special(separator) && !special(tail))
        .then(|| (class, format!("{separator}{{number}}{tail}.*")))
}

/// A pattern by which most of the names hold a class, and one of them, if there is such a pattern and it tells at least two classes with several
/// photos each apart.
pub(crate) fn suggestion<'a>(names: impl Iterator<Item = &'a str>) -> Option<(String, &'a str)> {
    use std::collections::{BTreeMap, BTreeSet};
    let mut forms: BTreeMap<String, (usize, BTreeSet<&str>, &str)> = BTreeMap::new();
    let mut all = 0;
    for name in names {
        all += 1;
        let last = name.rsplit('/').next().unwrap_or(name);
        let Some((class, rest)) = class_and_rest(last).filter(|(class, _)| !class.is_empty()) else {
            continue;
        };
        let form = forms.entry(rest).or_insert_with(|| (0, BTreeSet::new(), last));
        form.0 += 1;
        form.1.insert(class);
    }
    let (rest, (count, classes, example)) = forms.into_iter().max_by_key(|(_, (count, ..))| *count)?;
    let telling = classes.len() >= 2 && classes.len() * 2 <= count && count * 2 >= all;
    telling.then(|| (format!("{{class}}{rest}"), example))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(pattern: &str, name: &str) -> Option<String> {
        NamePattern::parse(pattern).expect(pattern).find(name)?.class
    }

    #[test]
    fn a_class_stands_where_the_pattern_says() {
        for (pattern, name, found) in [
            ("{class}.*", "train/cat.0.jpg", Some("cat")),
            (
                "{class}_{number}.*",
                "english_setter_12.JPG",
                Some("english_setter"),
            ),
            ("*_{class}.jpg", "0001_dog.JPG", Some("dog")),
            ("{class}{number}.*", "daisy26.jpg", Some("daisy")),
            ("{class}/*/*", "w/cat/session 1/9.jpg", Some("cat")),
            ("{class}_*", "n0144.jpg", None),
            ("cat.0.jpg", "train/dog.12499.png", Some("dog")),
            ("cat.0.jpg", "1.jpg", None),
            ("rose (1).jpg", "tulip (22).jpeg", Some("tulip")),
        ] {
            assert_eq!(class(pattern, name).as_deref(), found, "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_that_say_nothing_are_refused() {
        for pattern in ["cat.jpg", "{klass}_*", "{class}{class}", "{class", "7.jpg"] {
            assert!(NamePattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_ends_soon() {
        let pattern = NamePattern::parse(&format!("{}{{class}}b", "*a".repeat(90))).expect("good");
        assert_eq!(pattern.find(&"a".repeat(4000)), None);
    }

    #[test]
    fn a_pattern_is_suggested_where_names_hold_classes() {
        let names = ["t/cat.0.jpg", "t/cat.1.jpg", "t/dog.0.jpg", "t/dog.1.jpg"];
        let found = suggestion(names.into_iter());
        assert_eq!(found, Some((String::from("{class}.{number}.*"), "cat.0.jpg")));
        assert_eq!(suggestion(["IMG_1.jpg", "IMG_2.jpg"].into_iter()), None);
        assert_eq!(suggestion(["1.jpg", "2.jpg"].into_iter()), None);
    }
}

//! Which column of a table is what: by the header's words, by what the user says, or by what the cells name, and only where nothing
//! else is possible.

use super::form::TableForm;
use crate::part::Part;

const FILE: [&str; 5] = ["file", "path", "filename", "filepath", "image"];
const CLASS: [&str; 3] = ["class", "label", "category"];
const SPLIT: [&str; 4] = ["split", "part", "set", "subset"];

/// Other words for a photo's file and for its class, without spaces, '_' and '-'.
const OTHER_FILE: [&str; 19] = [
    "images",
    "img",
    "imagename",
    "imagefile",
    "imagepath",
    "imagefilename",
    "imageid",
    "imgname",
    "imgpath",
    "imgid",
    "photo",
    "picture",
    "photoname",
    "photoid",
    "fname",
    "files",
    "relpath",
    "name",
    "id",
];
const OTHER_CLASS: [&str; 16] = [
    "labels",
    "classes",
    "classname",
    "classlabel",
    "labelname",
    "categoryname",
    "target",
    "targets",
    "species",
    "breed",
    "tag",
    "tags",
    "diagnosis",
    "variety",
    "type",
    "y",
];

/// Columns that often say the part in another way, and are not read.
const LIKE_PARTS: [&str; 10] = [
    "fold",
    "kfold",
    "istest",
    "isvalid",
    "isval",
    "istrain",
    "isvalidation",
    "train",
    "test",
    "usage",
];

/// What the columns of a table are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) file: usize,
    pub(super) class: ClassColumn,
    pub(super) split: Option<usize>,
    /// The column that names groups, where one was asked for.
    pub(super) group: Option<usize>,
    /// Whether the first line names the columns.
    pub(super) has_header: bool,
    /// What a user should know of how they were found.
    pub(super) note: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClassColumn {
    /// Its cells name the class.
    Named(usize),
    /// A column for each class, in which its photos have a 1.
    OneHot(Vec<(usize, String)>),
}

/// Columns that cannot be told from each other.
#[derive(Debug)]
pub(super) struct Unclear {
    pub(super) message: String,
    /// The columns that could be meant, for an example.
    pub(super) file: Option<String>,
    pub(super) class: Option<String>,
}

/// The beginning of a table.
pub(super) struct Beginning<'a> {
    /// The cells of the first line.
    pub(super) first: &'a [String],
    /// Those of some lines behind it.
    pub(super) rows: &'a [Vec<String>],
}

/// Finds the columns. `is_photo` says whether a cell names a photo.
pub(super) fn find(
    beginning: &Beginning<'_>,
    form: &TableForm,
    group: Option<&str>,
    mut is_photo: impl FnMut(&str) -> bool,
) -> Result<Columns, Unclear> {
    let first = beginning.first;
    let plain: Vec<String> = first
        .iter()
        .map(|cell| cell.trim().to_ascii_lowercase())
        .collect();
    let word = |words: &[&str]| words.iter().find_map(|w| plain.iter().position(|c| c == w));
    let group = match group {
        None => None,
        Some(wanted) => {
            let wanted = wanted.trim().to_ascii_lowercase();
            Some(
                plain
                    .iter()
                    .position(|cell| *cell == wanted)
                    .ok_or_else(|| no_group(&wanted, first))?,
            )
        }
    };
    let stated = form.file.is_some() || form.class.is_some() || form.split.is_some();
    if let (false, Some(file), Some(class)) = (stated, word(&FILE), word(&CLASS)) {
        return Ok(Columns {
            file,
            class: ClassColumn::Named(class),
            split: word(&SPLIT),
            group,
            has_header: true,
            note: like_parts(first, word(&SPLIT)),
        });
    }
    let has_header = !first.iter().any(|cell| is_photo(cell));
    let reading = Reading {
        beginning,
        has_header,
        bare: first.iter().map(|cell| bare(cell)).collect(),
    };
    let split = match &form.split {
        Some(name) => Some(reading.stated(name)?),
        None => reading.split(&word(&SPLIT)),
    };
    let file = match &form.file {
        Some(name) => Some(reading.stated(name)?),
        None => reading.file(&word(&FILE), &mut is_photo),
    };
    let file = file.ok_or_else(|| reading.unclear("no column names photos that are there", None))?;
    let class = match &form.class {
        Some(name) => ClassColumn::Named(reading.stated(name)?),
        None => reading.class(&word(&CLASS), &[Some(file), split, group])?,
    };
    let note = reading.note(file, &class, split, stated);
    Ok(Columns {
        file,
        class,
        split,
        group,
        has_header,
        note,
    })
}

struct Reading<'a> {
    beginning: &'a Beginning<'a>,
    has_header: bool,
    /// The first line's words, without spaces, '_' and '-'.
    bare: Vec<String>,
}

impl Reading<'_> {
    /// The column that the user names, or its number from 1.
    fn stated(&self, name: &str) -> Result<usize, Unclear> {
        let first = self.beginning.first;
        let found = first.iter().position(|cell| cell.trim() == name);
        let found = found.or_else(|| self.bare.iter().position(|cell| *cell == bare(name)));
        let by_number = || {
            name.parse()
                .ok()
                .filter(|number| (1..=first.len()).contains(number))
        };
        found.or_else(|| Some(by_number()? - 1)).ok_or_else(|| {
            let near = stepladder_model::nearest(name, first.iter().map(String::as_str));
            let near = near.map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
            self.unclear(&format!("there is no column \"{name}\"{near}"), None)
        })
    }

    fn split(&self, by_word: &Option<usize>) -> Option<usize> {
        if self.has_header {
            return *by_word;
        }
        (0..self.bare.len()).find(|&column| self.all(column, |cell| Part::from_name(cell).is_some()))
    }

    fn file(&self, by_word: &Option<usize>, is_photo: &mut impl FnMut(&str) -> bool) -> Option<usize> {
        if self.has_header && by_word.is_some() {
            return *by_word;
        }
        let mut names_photos = |column: usize| {
            let rows = self.rows().len();
            let known = self.cells(column).filter(|cell| is_photo(cell)).count();
            known > 0 && 2 * known >= rows
        };
        let other = |column: &usize| self.has_header && OTHER_FILE.contains(&self.bare[*column].as_str());
        let mut named: Vec<usize> = (0..self.bare.len()).filter(other).collect();
        named.sort_by_key(|&column| OTHER_FILE.iter().position(|word| *word == self.bare[column]));
        if let Some(column) = named.iter().copied().find(|&column| names_photos(column)) {
            return Some(column);
        }
        let mut by_content = (0..self.bare.len()).filter(|&column| names_photos(column));
        match (by_content.next(), by_content.next()) {
            (Some(column), None) => Some(column),
            // Rows are set aside one by one, which says what is wrong with their names.
            _ => named.first().copied(),
        }
    }

    /// The column of the class; that of the file, the first of those `taken`, and others are not.
    fn class(&self, by_word: &Option<usize>, taken: &[Option<usize>]) -> Result<ClassColumn, Unclear> {
        let file = taken.first().copied().flatten();
        let is_free = |column: &usize| !taken.contains(&Some(*column));
        if let Some(column) = by_word.filter(|column| self.has_header && is_free(column)) {
            return Ok(ClassColumn::Named(column));
        }
        // pandas writes a column of numbers without a name.
        let free = |column: &usize| is_free(column) && !(self.has_header && self.bare[*column].is_empty());
        let left: Vec<usize> = (0..self.bare.len()).filter(free).collect();
        let other = |word: &&str| left.iter().copied().find(|&column| self.bare[column] == **word);
        if let Some(column) = OTHER_CLASS.iter().filter(|_| self.has_header).find_map(other) {
            return Ok(ClassColumn::Named(column));
        }
        let binary = |&column: &usize| self.all(column, |cell| bit(cell).is_some());
        if self.has_header && left.len() > 1 && left.iter().all(binary) {
            let name = |column: usize| (column, self.beginning.first[column].trim().to_owned());
            return Ok(ClassColumn::OneHot(left.into_iter().map(name).collect()));
        }
        match left.as_slice() {
            [column] => Ok(ClassColumn::Named(*column)),
            [] => Err(self.unclear("no column names the class", file)),
            _ => Err(self.unclear("it is not clear which column names the class", file)),
        }
    }

    /// The rows of data at the beginning.
    fn rows(&self) -> Vec<&[String]> {
        let first = (!self.has_header).then_some(self.beginning.first);
        first
            .into_iter()
            .chain(self.beginning.rows.iter().map(Vec::as_slice))
            .filter(|row| row.iter().any(|cell| !cell.is_empty()))
            .collect()
    }

    fn cells(&self, column: usize) -> impl Iterator<Item = String> {
        let cell = move |row: &[String]| row.get(column).cloned().unwrap_or_default();
        self.rows().into_iter().map(cell)
    }

    fn all(&self, column: usize, is: impl Fn(&str) -> bool) -> bool {
        let mut cells = self.cells(column).peekable();
        cells.peek().is_some() && cells.all(|cell| is(&cell))
    }

    /// The column as a user would write it.
    fn shown(&self, column: usize) -> String {
        match self.has_header {
            true => self.beginning.first[column].trim().to_owned(),
            false => (column + 1).to_string(),
        }
    }

    fn unclear(&self, what: &str, file: Option<usize>) -> Unclear {
        let first = self.beginning.first;
        let columns = first
            .iter()
            .map(|cell| cell.trim())
            .collect::<Vec<_>>()
            .join(", ");
        let columns: String = crate::names::printable(&columns).chars().take(120).collect();
        let class = (0..first.len()).rev().find(|column| Some(*column) != file);
        Unclear {
            message: format!(
                "{what}; the first line must name the columns file and class (and split, if there is one), but it reads: {columns}"
            ),
            file: file.map(|column| self.shown(column)),
            class: class.filter(|_| file.is_some()).map(|column| self.shown(column)),
        }
    }

    fn note(&self, file: usize, class: &ClassColumn, split: Option<usize>, stated: bool) -> Option<String> {
        let like = like_parts(self.beginning.first, split);
        if stated {
            return like;
        }
        let class = match class {
            ClassColumn::Named(column) => format!("{} as the class", self.column(*column)),
            ClassColumn::OneHot(columns) => format!("the 1 in {} other columns as the class", columns.len()),
        };
        let split = split.map_or(String::new(), |column| {
            format!(", {} as the part", self.column(column))
        });
        let header = if self.has_header {
            ""
        } else {
            " (the first line is a photo, not a header)"
        };
        let read = format!(
            "the table's {} is read as the file, {class}{split}{header}",
            self.column(file)
        );
        Some(match like {
            Some(like) => format!("{read}; {like}"),
            None => read,
        })
    }

    fn column(&self, column: usize) -> String {
        match self.has_header {
            true => format!("column \"{}\"", crate::names::printable(&self.shown(column))),
            false => format!("column {}", column + 1),
        }
    }
}

fn no_group(wanted: &str, first: &[String]) -> Unclear {
    let columns = first.join(", ");
    let (wanted, columns) = (crate::names::printable(wanted), crate::names::printable(&columns));
    Unclear {
        message: format!("there is no column {wanted}, which was to name the groups; there are {columns}"),
        file: None,
        class: None,
    }
}

/// Says that columns are not read which look as if they say the part.
fn like_parts(first: &[String], split: Option<usize>) -> Option<String> {
    if split.is_some() {
        return None;
    }
    let column = first
        .iter()
        .find(|cell| LIKE_PARTS.contains(&bare(cell).as_str()))?;
    Some(format!(
        "the table's column \"{}\" is not read; a column named split that says train, validation or test decides parts",
        crate::names::printable(column.trim())
    ))
}

/// A cell of a column for one class.
pub(super) fn bit(cell: &str) -> Option<bool> {
    match cell.trim().to_ascii_lowercase().as_str() {
        "1" | "1.0" | "true" => Some(true),
        "0" | "0.0" | "false" => Some(false),
        _ => None,
    }
}

fn bare(cell: &str) -> String {
    let lower = cell.trim().to_ascii_lowercase();
    lower.replace([' ', '_', '-', '.'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(table: &[&str], form: &TableForm) -> Result<Columns, Unclear> {
        let cells = |line: &&str| {
            line.split(',')
                .map(|cell| cell.trim().to_owned())
                .collect::<Vec<_>>()
        };
        let lines: Vec<Vec<String>> = table.iter().map(cells).collect();
        let beginning = Beginning {
            first: &lines[0],
            rows: &lines[1..],
        };
        find(&beginning, form, None, |cell| cell.ends_with(".jpg"))
    }

    fn found(table: &[&str]) -> (usize, ClassColumn, Option<usize>, bool) {
        let found = columns(table, &TableForm::default()).expect("clear");
        (found.file, found.class, found.split, found.has_header)
    }

    #[test]
    fn other_words_are_understood_and_said() {
        for head in [
            "image_id,label",
            "id,breed",
            "Image,Id",
            "img,class",
            "file name,Class",
            "file,tag",
            "url,kind",
        ] {
            let found = columns(&[head, "1.jpg,a"], &TableForm::default()).expect(head);
            assert_eq!((found.file, found.class), (0, ClassColumn::Named(1)), "{head}");
            assert!(found.note.expect(head).contains("is read as the file"));
        }
        let plain = columns(&["file,class", "1.jpg,a"], &TableForm::default()).expect("plain");
        assert_eq!(plain.note, None);
        assert_eq!(found(&[",label,id", "0,a,1.jpg"]).0, 2);
    }

    #[test]
    fn a_table_without_a_header_is_read_by_its_cells() {
        assert_eq!(
            found(&["a,1.jpg", "b,2.jpg"]),
            (1, ClassColumn::Named(0), None, false)
        );
        let automl = found(&["TEST,1.jpg,a", "TRAIN,2.jpg,b"]);
        assert_eq!(automl, (1, ClassColumn::Named(2), Some(0), false));
    }

    #[test]
    fn a_column_for_each_class_is_understood() {
        let (_, class, ..) = found(&["filename, daisy, roses", "1.jpg, 1, 0", "2.jpg, 0.0, 1.0"]);
        let expected = vec![(1, String::from("daisy")), (2, String::from("roses"))];
        assert_eq!(class, ClassColumn::OneHot(expected));
    }

    #[test]
    fn what_is_not_clear_is_asked_with_an_example() {
        let unclear =
            columns(&["file,color,shape", "1.jpg,red,round"], &TableForm::default()).expect_err("two");
        assert!(
            unclear.message.contains("file, color, shape"),
            "{}",
            unclear.message
        );
        assert_eq!(
            (unclear.file.as_deref(), unclear.class.as_deref()),
            (Some("file"), Some("shape"))
        );
        let form = TableForm {
            class: Some(String::from("Shape")),
            ..TableForm::default()
        };
        let stated = columns(&["file,color,shape", "1.jpg,red,round"], &form).expect("stated");
        assert_eq!(stated.class, ClassColumn::Named(2));
        let form = TableForm {
            class: Some(String::from("shap")),
            ..TableForm::default()
        };
        let error = columns(&["file,color,shape", "1.jpg,red,round"], &form).expect_err("no such");
        assert!(
            error.message.contains("did you mean \"shape\"?"),
            "{}",
            error.message
        );
    }

    #[test]
    fn columns_that_look_like_parts_are_named() {
        let found = columns(&["file,class,is_test", "1.jpg,a,1"], &TableForm::default()).expect("clear");
        assert!(found.note.expect("said").contains("is_test"));
    }
}

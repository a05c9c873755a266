//! How folders and names are to be read ([`Reading`]), where what they say by themselves is not what is meant.

use crate::error::DataError;
use crate::pattern::NamePattern;
use encoding_rs::Encoding;

/// What was asked for beside the data itself. By default everything is taken from the names of folders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// What the folders mean, from the top: `part`, `class`, `group` or `*` for each level, as in `group/class`.
    pub layout: Option<String>,
    /// Where the class stands in a file's name, as in `{class}.*`, or one name as an example: `cat.0.jpg`.
    pub class_from: Option<String>,
    /// What photos must not be parted: `folder`, a pattern such as `{group}_*`, or a column of the table.
    pub group_by: Option<String>,
    /// Whether symbolic links that lead out of the folder, or to folders, are followed.
    pub follow_links: bool,
    /// The classes to take; all where it is empty.
    pub classes: Vec<String>,
    /// The encoding of names in zips that are not marked as UTF-8, by its name on the web: `shift_jis`, `gbk`, `ibm866`.
    pub zip_names: Option<String>,
}

/// A [`Reading`] that has been understood.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    pub(crate) levels: Option<Vec<Level>>,
    pub(crate) class_from: Option<NamePattern>,
    pub(crate) group_by: Option<GroupBy>,
    pub(crate) follow_links: bool,
    pub(crate) zip_names: Option<&'static Encoding>,
}

/// What a folder's name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Part,
    Class,
    Group,
    Any,
}

/// What makes a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GroupBy {
    /// The folders that are neither the part nor the class.
    Folder,
    /// The file's name.
    Pattern(NamePattern),
    /// A column of the table.
    Column(String),
}

impl Rules {
    pub(crate) fn new(reading: &Reading) -> Result<Self, DataError> {
        let levels = reading.layout.as_deref().map(levels).transpose()?;
        let class_from = reading
            .class_from
            .as_deref()
            .map(NamePattern::parse)
            .transpose()?;
        if let Some(pattern) = class_from.as_ref().filter(|pattern| !pattern.has_class()) {
            return Err(DataError::Setting(format!(
                "the pattern {pattern} does not say where the class stands; write {{class}} there"
            )));
        }
        let has = |level| levels.as_ref().is_some_and(|levels| levels.contains(&level));
        if class_from.is_some() && has(Level::Class) {
            return Err(DataError::Setting(String::from(
                "the class stands in the folders or in the files' names, not in both; leave one out",
            )));
        }
        if levels.is_some() && class_from.is_none() && !has(Level::Class) {
            return Err(DataError::Setting(String::from(
                "the layout does not say which folder is the class; name one level class, as in group/class",
            )));
        }
        let group_by = reading.group_by.as_deref().map(group_by).transpose()?;
        let named = class_from.as_ref().is_some_and(NamePattern::has_group);
        if group_by.is_some() && (has(Level::Group) || named) {
            return Err(DataError::Setting(String::from(
                "groups are given twice, in the layout or the class's pattern and beside it; leave one out",
            )));
        }
        Ok(Self {
            levels,
            class_from,
            group_by,
            follow_links: reading.follow_links,
            zip_names: reading.zip_names.as_deref().map(encoding).transpose()?,
        })
    }

    /// Whether photos are to be kept together by something.
    pub(crate) fn makes_groups(&self) -> bool {
        let levels = self.levels.as_deref().unwrap_or_default();
        self.group_by.is_some()
            || levels.contains(&Level::Group)
            || self.class_from.as_ref().is_some_and(NamePattern::has_group)
    }

    /// The column of a table that names the groups.
    pub(crate) fn group_column(&self) -> Option<&str> {
        match &self.group_by {
            Some(GroupBy::Column(column)) => Some(column),
            Some(GroupBy::Folder | GroupBy::Pattern(_)) | None => None,
        }
    }
}

fn levels(text: &str) -> Result<Vec<Level>, DataError> {
    let level = |word: &str| match word.trim().to_ascii_lowercase().as_str() {
        "part" | "split" => Some(Level::Part),
        "class" => Some(Level::Class),
        "group" => Some(Level::Group),
        "*" => Some(Level::Any),
        _ => None,
    };
    let levels: Option<Vec<Level>> = text.split('/').map(level).collect();
    let once = |levels: &[Level], wanted| levels.iter().filter(|level| **level == wanted).count() <= 1;
    levels
        .filter(|levels| once(levels, Level::Part) && once(levels, Level::Class) && levels.len() <= 64)
        .ok_or_else(|| {
            DataError::Setting(format!(
                "{text} is no layout; name each level of folders part, class, group or *, the outermost first, as in part/class, group/class or class/part"
            ))
        })
}

fn group_by(text: &str) -> Result<GroupBy, DataError> {
    if text.eq_ignore_ascii_case("folder") {
        return Ok(GroupBy::Folder);
    }
    if !text.contains(['{', '*']) {
        let column = text.strip_prefix("column:").unwrap_or(text);
        return Ok(GroupBy::Column(String::from(column)));
    }
    let pattern = NamePattern::parse(text)?;
    if pattern.has_class() || !pattern.has_group() {
        return Err(DataError::Setting(format!(
            "the pattern {pattern} does not say where the group stands; write {{group}} there"
        )));
    }
    Ok(GroupBy::Pattern(pattern))
}

fn encoding(name: &str) -> Result<&'static Encoding, DataError> {
    let usual = match name.trim().to_ascii_lowercase().as_str() {
        "cp866" => "ibm866",
        "cp932" | "sjis" => "shift_jis",
        "cp936" => "gbk",
        "cp949" => "euc-kr",
        "cp950" => "big5",
        "cp1250" => "windows-1250",
        "cp1251" => "windows-1251",
        "cp1252" => "windows-1252",
        _ => name.trim(),
    };
    Encoding::for_label(usual.as_bytes()).ok_or_else(|| {
        DataError::Setting(format!(
            "{name} is no encoding that is known; usual ones are shift_jis, gbk, big5, euc-kr, cp866, cp1251 and cp1252"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(reading: Reading) -> Result<Rules, DataError> {
        Rules::new(&reading)
    }

    #[test]
    fn layouts_name_each_level() {
        assert_eq!(levels("Group/class").expect("good"), [Level::Group, Level::Class]);
        assert_eq!(levels("*/class").expect("good"), [Level::Any, Level::Class]);
        for wrong in ["", "klass", "class/class", "class/", "part/part/class"] {
            assert!(levels(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let given = |layout: &str, class_from: &str, group_by: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| String::from(text));
            rules(Reading {
                layout: some(layout),
                class_from: some(class_from),
                group_by: some(group_by),
                ..Reading::default()
            })
        };
        assert!(given("part", "{class}.*", "folder").is_ok());
        assert!(given("", "", "{group}_*").expect("good").makes_groups());
        assert_eq!(
            given("", "", "patient").expect("good").group_column(),
            Some("patient")
        );
        for (layout, class_from, group_by) in [
            ("group", "", ""),
            ("class", "{class}.*", ""),
            ("group/class", "", "folder"),
            ("", "{group}.*", ""),
            ("", "", "{class}_*"),
        ] {
            assert!(
                given(layout, class_from, group_by).is_err(),
                "{layout} {class_from} {group_by}"
            );
        }
    }

    #[test]
    fn encodings_have_their_usual_names() {
        for name in ["Shift_JIS", "cp932", "gbk", "CP866", "windows-1251"] {
            assert!(encoding(name).is_ok(), "{name}");
        }
        assert!(encoding("klingon").is_err());
    }
}

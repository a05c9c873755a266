//! What was made of a data set's names ([`Remark`]), where it is not plain: said to the user, so that nothing is decided in silence.

use std::fmt;

use crate::part::Part;

/// One thing to know of how the data was read. Its text says what, and not what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// Folders were taken as parts whose names are not those words alone.
    Parts {
        /// Each folder with what it was taken for.
        folders: Vec<(String, Part)>,
    },
    /// Several folders are one part.
    OnePart {
        /// The part.
        part: Part,
        /// Each folder with its photos.
        folders: Vec<(String, usize)>,
    },
    /// The parts are folders below each class.
    PartsInClasses,
    /// Folders beside the parts, whose photos are left out.
    BesideParts {
        /// The folders.
        folders: Vec<String>,
        /// How many photos lie in them.
        photos: usize,
    },
    /// All classes, or several, hold folders of the same names: they may be groups, and these the classes.
    SameFoldersBelow {
        /// The folders that were taken as classes.
        classes: Vec<String>,
        /// The names below that several of them have.
        below: Vec<String>,
    },
    /// Among the classes is one with the name of a part.
    ClassLikePart {
        /// The class.
        class: String,
    },
    /// Classes whose names differ in case, in spaces, hyphens and underscores, or in the width of letters alone.
    ClassesAlike {
        /// The classes.
        classes: Vec<String>,
    },
    /// Links that were not followed.
    LinksNotFollowed {
        /// Links to folders.
        folders: usize,
        /// Links to files outside.
        files: usize,
        /// One of them.
        example: String,
    },
    /// Names in a zip that are neither marked as UTF-8 nor are UTF-8.
    ZipNames {
        /// How many.
        names: usize,
        /// One of them as it was read.
        example: String,
    },
    /// A pattern for classes that some names do not fit.
    WithoutClass {
        /// How many photos are left out.
        photos: usize,
        /// One of them.
        example: String,
    },
    /// Photos in no group, where groups were asked for.
    WithoutGroup {
        /// How many.
        photos: usize,
        /// One of them.
        example: String,
    },
    /// Groups with photos in several of the parts that the data declares.
    GroupsInParts {
        /// How many groups.
        groups: usize,
        /// One of them.
        example: String,
    },
    /// Too few groups for a part each.
    FewGroups {
        /// How many groups.
        groups: usize,
    },
    /// Photos below a part that lie in no class folder.
    Unlabelled {
        /// The part.
        part: Part,
        /// How many.
        photos: usize,
        /// One of them.
        example: String,
    },
    /// What was made of a table that is not as tables usually are.
    Table {
        /// What.
        what: String,
    },
    /// Levels were to be measured.
    Levels {
        /// What becomes black and what white; `None` where no photo has more than 8 bits.
        range: Option<[String; 2]>,
    },
    /// Only some of the classes were asked for.
    SomeClasses {
        /// Classes that are taken.
        taken: usize,
        /// Classes that the data has.
        all: usize,
    },
}

impl Remark {
    /// Whether it may be a mistake, rather than being worth knowing.
    pub fn is_warning(&self) -> bool {
        match self {
            Self::Parts { .. }
            | Self::OnePart { .. }
            | Self::PartsInClasses
            | Self::SomeClasses { .. }
            | Self::Table { .. }
            | Self::Levels { .. } => false,
            Self::BesideParts { .. }
            | Self::SameFoldersBelow { .. }
            | Self::ClassLikePart { .. }
            | Self::ClassesAlike { .. }
            | Self::LinksNotFollowed { .. }
            | Self::ZipNames { .. }
            | Self::WithoutClass { .. }
            | Self::WithoutGroup { .. }
            | Self::Unlabelled { .. }
            | Self::GroupsInParts { .. }
            | Self::FewGroups { .. } => true,
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parts { folders } => {
                let parts = folders
                    .iter()
                    .map(|(folder, part)| format!("{folder} is {}", part.name()));
                write!(f, "folders taken as parts: {}", some(parts))
            }
            Self::OnePart { part, folders } => {
                let folders = folders
                    .iter()
                    .map(|(folder, photos)| format!("{folder} ({})", count(*photos, "photo")));
                write!(
                    f,
                    "several folders are the {} part: {}",
                    part.name(),
                    some(folders)
                )
            }
            Self::PartsInClasses => f.write_str("the folders below the classes are taken as parts"),
            Self::BesideParts { folders, photos } => write!(
                f,
                "{} left out, in folders beside the parts: {}",
                count(*photos, "photo"),
                some(folders.iter().cloned())
            ),
            Self::SameFoldersBelow { classes, below } => write!(
                f,
                "the classes are {}, and below them are the same folders again: {}; these may be the classes",
                some(classes.iter().cloned()),
                some(below.iter().cloned())
            ),
            Self::ClassLikePart { class } => {
                write!(
                    f,
                    "{class} is taken as a class, though its name is one for a part of the data"
                )
            }
            Self::ClassesAlike { classes } => write!(
                f,
                "the names of these classes are nearly equal: {}",
                some(classes.iter().map(|class| format!("\"{class}\"")))
            ),
            Self::LinksNotFollowed {
                folders,
                files,
                example,
            } => {
                let kinds = [(*folders, "folder"), (*files, "file")];
                let kinds = kinds.iter().filter(|(links, _)| *links > 0);
                let kinds: Vec<String> = kinds.map(|(links, what)| count(*links, what)).collect();
                let kinds = kinds.join(" and ");
                write!(f, "symbolic links to {kinds} are not followed, such as {example}")
            }
            Self::ZipNames { names, example } => write!(
                f,
                "{} in the zip not marked as UTF-8, such as {example}; read as code page 437",
                count(*names, "name")
            ),
            Self::WithoutClass { photos, example } => write!(
                f,
                "{} left out, as the pattern finds no class in the name, such as {example}",
                count(*photos, "photo")
            ),
            Self::WithoutGroup { photos, example } => write!(
                f,
                "{} in no group, such as {example}; each is split by itself",
                count(*photos, "photo")
            ),
            Self::GroupsInParts { groups, example } => write!(
                f,
                "{} in more than one part, such as {example}: the figures of such a part are too good",
                count(*groups, "group")
            ),
            Self::FewGroups { groups } => write!(
                f,
                "{} cannot fill a training, a validation and a test part, as no group is in two of them",
                count(*groups, "group")
            ),
            Self::Unlabelled {
                part,
                photos,
                example,
            } => write!(
                f,
                "{} of the {} part in no class folder, such as {example}, so that there are no figures of them",
                count(*photos, "photo"),
                part.name()
            ),
            Self::Table { what } => f.write_str(what),
            Self::Levels {
                range: Some([black, white]),
            } => write!(
                f,
                "{black} becomes black and {white} white, as the photos of more than 8 bits need it"
            ),
            Self::Levels { range: None } => {
                f.write_str("no photo has more than 8 bits, so that levels change nothing")
            }
            Self::SomeClasses { taken, all } => write!(f, "{taken} of {all} classes taken"),
        }
    }
}

/// "1 photo", "2 photos".
fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// The first few, and how many more there are.
pub(crate) fn some(names: impl IntoIterator<Item = String>) -> String {
    const SHOWN: usize = 4;
    let mut names: Vec<String> = names.into_iter().collect();
    let more = names.len().saturating_sub(SHOWN);
    if more > 0 {
        names.truncate(SHOWN);
        return format!("{} and {more} more", names.join(", "));
    }
    names.join(", ")
}

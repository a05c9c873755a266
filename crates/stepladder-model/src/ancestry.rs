//! Reading a rung with its parents. A parent is a rung of the catalog or a file; only a file may name a file, so that
//! text from elsewhere (a model's metadata, say) cannot make this program read files.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::catalog::RungCatalog;
use crate::error::RungError;
use crate::file::{self, Item, Table, Value};
use crate::place::{Origin, Place};
use crate::rung::Rung;
use crate::shown::shown;

/// Longest line of ancestors.
const GENERATION_LIMIT: usize = 64;

impl Rung {
    /// Reads a rung file. Its parent may be a rung of the catalog, or another file, relative to this one.
    ///
    /// # Errors
    ///
    /// Names the file and line of the first thing that is wrong in it or in an ancestor, and the remedy.
    pub fn from_path(path: impl AsRef<Path>, catalog: &RungCatalog) -> Result<Rung, RungError> {
        let mut ancestors = Ancestors::new(catalog);
        let table = ancestors.parse_file(path.as_ref())?;
        file::read(&ancestors.complete(table)?)
    }

    /// Reads a rung's text; errors call it `name`. Its parent may be a rung of the catalog, and not a file.
    ///
    /// # Errors
    ///
    /// Names the line of the first thing that is wrong in it or in an ancestor, and the remedy.
    pub fn from_toml(toml: &str, name: &str, catalog: &RungCatalog) -> Result<Rung, RungError> {
        let origin = Arc::new(Origin {
            name: name.to_owned(),
            directory: None,
        });
        let table = file::parse_document(toml, &origin)?;
        file::read(&Ancestors::new(catalog).complete(table)?)
    }

    /// The rung that this one changes, where it has one: what [`diff`](crate::diff) compares it with.
    ///
    /// # Errors
    ///
    /// As [`RungCatalog::get`] or [`Rung::from_path`] for the parent; a parent that is a file is found only for a rung
    /// that was itself read from a file.
    pub fn parent_rung(&self, catalog: &RungCatalog) -> Result<Option<Rung>, RungError> {
        let Some(parent) = &self.parent else {
            return Ok(None);
        };
        let mut ancestors = Ancestors::new(catalog);
        let directory = self.place.origin().and_then(|origin| origin.directory.as_deref());
        let table = ancestors.parse_parent(parent, &self.place, directory)?;
        file::read(&ancestors.complete(table)?).map(Some)
    }
}

/// Reads the text of the catalog's rung `name`.
pub(crate) fn read_named(name: &str, toml: &str, catalog: &RungCatalog) -> Result<Rung, RungError> {
    let mut ancestors = Ancestors::new(catalog);
    let table = ancestors.parse_named(name, toml)?;
    file::read(&ancestors.complete(table)?)
}

/// A parent is a path if it looks like one; names of rungs have no slash and do not end in `.toml`.
pub(crate) fn is_path(name: &str) -> bool {
    name.contains(['/', '\\'])
        || Path::new(name)
            .extension()
            .is_some_and(|extension| extension == "toml")
}

/// The walk from a rung to its ancestors.
struct Ancestors<'a> {
    catalog: &'a RungCatalog,
    /// Files and names met so far.
    met: Vec<Source>,
}

#[derive(PartialEq)]
enum Source {
    Named(String),
    File(PathBuf),
}

impl<'a> Ancestors<'a> {
    fn new(catalog: &'a RungCatalog) -> Ancestors<'a> {
        Ancestors {
            catalog,
            met: Vec::new(),
        }
    }

    /// Fills in what `table` inherits.
    fn complete(&mut self, table: Table) -> Result<Table, RungError> {
        let mut generations = vec![table];
        loop {
            let youngest = &generations[generations.len() - 1];
            let Some(parent) = parent_of(youngest)? else { break };
            if generations.len() > GENERATION_LIMIT {
                return Err(RungError::TooDeep {
                    place: parent.place,
                    limit: GENERATION_LIMIT,
                });
            }
            let directory = parent.place.origin().and_then(|origin| origin.directory.clone());
            generations.push(self.parse_parent(&parent.name, &parent.place, directory.as_deref())?);
        }
        let mut complete = Table::default();
        while let Some(mut child) = generations.pop() {
            file::inherit(&mut child, complete);
            complete = child;
        }
        Ok(complete)
    }

    fn parse_parent(
        &mut self,
        name: &str,
        place: &Place,
        directory: Option<&Path>,
    ) -> Result<Table, RungError> {
        let met = self.met.len();
        let table = if !is_path(name) {
            let catalog = self.catalog;
            let text = catalog.text(name).ok_or_else(|| RungError::UnknownParent {
                place: place.clone(),
                name: shown(name),
                remedy: catalog.remedy(name),
            })?;
            self.parse_named(name, text)?
        } else if let Some(directory) = directory {
            self.parse_file(&directory.join(name)).map_err(|error| {
                let RungError::Read { source, .. } = error else {
                    return error;
                };
                RungError::ParentRead {
                    place: place.clone(),
                    name: shown(name),
                    source,
                }
            })?
        } else {
            return Err(RungError::ParentIsFile {
                place: place.clone(),
                name: shown(name),
            });
        };
        let (before, new) = self.met.split_at(met);
        if new.iter().any(|source| before.contains(source)) {
            return Err(RungError::Cycle {
                place: place.clone(),
                name: shown(name),
            });
        }
        Ok(table)
    }

    fn parse_named(&mut self, name: &str, toml: &str) -> Result<Table, RungError> {
        self.met.push(Source::Named(name.to_owned()));
        file::parse_document(
            toml,
            &Arc::new(Origin {
                name: format!("{name}.toml"),
                directory: None,
            }),
        )
    }

    fn parse_file(&mut self, path: &Path) -> Result<Table, RungError> {
        let shown = path.display().to_string();
        let text = read_text(path, &shown)?;
        self.met.push(Source::File(
            path.canonicalize().unwrap_or_else(|_| path.to_owned()),
        ));
        let directory = Some(path.parent().unwrap_or(Path::new("")).to_owned());
        file::parse_document(
            &text,
            &Arc::new(Origin {
                name: shown,
                directory,
            }),
        )
    }
}

/// The parent that a file names, unless it is complete without.
struct Parent {
    name: String,
    place: Place,
}

fn parent_of(table: &Table) -> Result<Option<Parent>, RungError> {
    let wrong = |key: &str, item: &Item, expected: &str| RungError::WrongValue {
        place: item.place.clone(),
        key: key.to_owned(),
        within: "the rung".to_owned(),
        expected: expected.to_owned(),
        found: item.value.describe(),
    };
    match table.get("complete") {
        Some(Item {
            value: Value::Boolean(true),
            ..
        }) => return Ok(None),
        None
        | Some(Item {
            value: Value::Boolean(false),
            ..
        }) => {}
        Some(item) => return Err(wrong("complete", item, "true or false")),
    }
    match table.get("parent") {
        None => Ok(None),
        Some(Item {
            value: Value::Text(name),
            place,
        }) => Ok(Some(Parent {
            name: name.clone(),
            place: place.clone(),
        })),
        Some(item) => Err(wrong(
            "parent",
            item,
            "the name of a rung or the path of its file, in quotes",
        )),
    }
}

/// Reads a file, but no more of it than a rung may have.
fn read_text(path: &Path, shown: &str) -> Result<String, RungError> {
    let failed = |source| RungError::Read {
        path: shown.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = stepladder_files::open(path).map_err(failed)?;
    file.take(file::TEXT_LIMIT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    String::from_utf8(bytes).map_err(|error| RungError::NotText {
        name: shown.to_owned(),
        reason: format!("not UTF-8 from byte {}", error.utf8_error().valid_up_to()),
    })
}

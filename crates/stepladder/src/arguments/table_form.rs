//! How a table is to be read, where it does not say.

use clap::Args;
use stepladder_data::TableForm;

/// Of tables that are not UTF-8, or whose header uses other words.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TableFormArguments {
    /// The table's encoding, where it is not UTF-8: windows-1251, gbk, shift_jis, utf-16le, ..
    #[arg(hide_short_help = true, long, value_name = "NAME")]
    pub encoding: Option<String>,

    /// Which of the table's columns are read: file=id,class=breed and, if you like, split=usage; names or numbers from 1
    #[arg(hide_short_help = true, long, value_name = "NAMES")]
    pub columns: Option<Columns>,
}

impl TableFormArguments {
    /// The same for those who read tables.
    pub fn form(self) -> TableForm {
        let Columns { file, class, split } = self.columns.unwrap_or_default();
        TableForm {
            encoding: self.encoding,
            file,
            class,
            split,
        }
    }
}

/// The columns of a table, as `file=id,class=breed`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    file: Option<String>,
    class: Option<String>,
    split: Option<String>,
}

impl std::str::FromStr for Columns {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut columns = Self::default();
        for pair in text.split(',') {
            let (role, column) = pair
                .split_once('=')
                .ok_or("write what each column is, e.g. file=id,class=breed")?;
            let place = match role.trim() {
                "file" => &mut columns.file,
                "class" => &mut columns.class,
                "split" => &mut columns.split,
                other => {
                    return Err(format!(
                        "{other} is no column that is read; they are file, class and split"
                    ));
                }
            };
            if column.trim().is_empty() || place.is_some() {
                return Err(format!("{} needs one column", role.trim()));
            }
            *place = Some(column.trim().to_string());
        }
        Ok(columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_named_by_what_they_are() {
        let columns: Columns = "file=image id, class=breed".parse().unwrap();
        assert_eq!(
            (columns.file.as_deref(), columns.class.as_deref()),
            (Some("image id"), Some("breed"))
        );
        for wrong in ["id,breed", "file=", "file=a,file=b", "label=x"] {
            assert!(wrong.parse::<Columns>().is_err(), "{wrong}");
        }
    }
}

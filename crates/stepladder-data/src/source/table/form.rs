//! What a user says of a table that does not say it itself ([`TableForm`]): its encoding, and which column is which.

/// How a table is to be read, where its beginning and its header do not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableForm {
    /// The encoding's name, such as "windows-1251" or "utf-16le". A byte order mark in the file says more.
    pub encoding: Option<String>,
    /// The column that names the photo's file: as the header has it, or its number from 1.
    pub file: Option<String>,
    /// The column of the class.
    pub class: Option<String>,
    /// The column of the part.
    pub split: Option<String>,
}

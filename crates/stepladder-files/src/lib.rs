//! Files that others may have put there. Opening one never waits and gives a regular file or an error ([`open`]); writing one replaces it
//! in one step ([`write_atomically`]); a [`Folder`] reaches its own files and no others, whatever links lie in it.
//!
//! It stands on nothing, so that every crate that opens a file can use it.

mod atomic;
mod folder;
mod regular;

pub use atomic::{write_atomically, write_atomically_by};
pub use folder::Folder;
pub use regular::{is_passing, open, read, read_to_string};

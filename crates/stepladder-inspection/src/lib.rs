//! Looking a labelled set of photos over before it is trained on: what is in it, what is wrong with it, and what to do about that.
//!
//! [`Inspection::new`] reads and decodes every photo once. It finds files that cannot be read, the same photo twice (exactly, or
//! nearly: re-encoded, resized, turned or mirrored), under two labels, or in two parts; photos that show nothing; and classes that
//! are too small. `page` shows it with thumbnails (a feature of this crate), [`Kept`] is the list of photos without what was found. [`concerns`] is the cheap
//! part, for the beginning of a training, and [`near_groups`] the duplicates among photos that are decoded already.
//!
//! Nothing here changes a photo. In memory a photo takes about 500 bytes beside its name, and those in work their pixels.

mod concern;
mod duplicates;
mod finding;
mod fingerprint;
mod inspection;
mod kept;
mod look;
#[cfg(feature = "page")]
mod page;
mod remark;
mod search;
mod statistics;
mod words;

pub use concern::{concerns, cropped, left_out};
pub use duplicates::{Group, near_groups};
pub use finding::{Finding, FindingKind, Member};
pub use fingerprint::Fingerprint;
pub use inspection::Inspection;
pub use kept::Kept;
#[cfg(feature = "page")]
pub use page::page;
pub use remark::{UNLABELLED, advice};
pub use statistics::{ClassCount, Count, Quartiles, Statistics};

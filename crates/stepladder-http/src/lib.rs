//! What Stepladder's servers have in common: [`Connections`] that are bounded in number and time, the checks of [`caller`] that say
//! who may ask, and [`Refusal`]s that say why not.
//!
//! Nothing here knows what is served: `stepladder-server` answers about photos, `stepladder-lookout` shows trainings.

pub mod caller;
mod connections;
mod descriptors;
mod listen;
mod refusal;

pub use connections::Connections;
pub use listen::{ListenError, listen};
pub use refusal::Refusal;

//! Weights of other programs, in the layout of a rung.
//!
//! [`open`] takes what a user names: a file, a folder, or `hf:timm/NAME` of Hugging Face's cache, with what is said beside the
//! weights about photos. [`read`] takes a file apart into named tensors, as they are in it. [`fit`] finds the values of a rung's parameters among
//! them, turns them into the rung's layout, and says what was missing, what was left over and what had another shape. It knows
//! nothing of single networks but a rule for names:
//!
//! - A layer called `blocks-1-0-conv_pw` is the module `blocks.1.0.conv_pw` of PyTorch: `-` stands for `.`, which a layer's name
//!   cannot have.
//! - Its parameters are that module's tensors: kernel and gamma are `weight`, bias and beta are `bias`, the moving mean and
//!   variance are `running_mean` and `running_var`. A `Scale` is a tensor of its own, or its module's `gamma`.
//! - Convolutions change from (out, in, height, width) to (height, width, in, out), depthwise ones from (channels, 1, height,
//!   width) to (height, width, channels, 1), dense layers from (out, in) to (in, out).
//! - A tensor that is called as the parameter itself, `conv2d_1/kernel`, and has its shape, is taken as it is: that is how
//!   Stepladder's own `model.safetensors` has them.
//!
//! The shipped networks name their layers as timm does, which for ResNets is as torchvision does. Files of
//! `efficientnet-lite0-pytorch`, and torchvision's MobileNetV2, have their names translated first (`names`), and RepVGG's
//! branches are fused into the convolution that they add up to (`fuse`).
//!
//! ```
//! use stepladder_model::RungCatalog;
//! use stepladder_weights::{Tensor, Weights, fit};
//!
//! let graph = RungCatalog::shipped().get("resnet18")?.graph(64, 5)?;
//! let mut weights = Weights::default();
//! weights.insert("bn1.weight", Tensor::new(vec![64], vec![0.5; 64]));
//! let fitted = fit(&weights, &graph);
//! assert!(fitted.unused.is_empty());
//! assert_eq!(fitted.missing[0], "conv1/kernel");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(clippy::wildcard_enum_match_arm)]

mod error;
mod fit;
mod fuse;
mod hub;
mod known;
mod layout;
mod names;
mod open;
mod pickle;
mod preprocessing;
mod pth;
mod read;
mod safetensors_file;
#[cfg(feature = "shipped")]
mod shipped;
mod tensor;

pub use error::WeightsError;
pub use fit::{Fitted, Misfit, fit};
pub use hub::{Hub, HubModel};
#[cfg(feature = "hub")]
pub use hub::{HubServer, Transferred};
pub use known::rung_of;
pub use open::{Opened, config, open, sha256};
pub use preprocessing::{Config, Interpolation, Preprocessing};
pub use read::{from_bytes, read};
#[cfg(feature = "shipped")]
pub use shipped::{SHIPPED_RUNG, shipped, shipped_file, shipped_preprocessing};
pub use tensor::{Tensor, Weights};

//! Names: what a parameter is called in a file of PyTorch's, and files whose names are translated to timm's first.

use crate::fit::Candidate;
use crate::tensor::Weights;
use std::borrow::Cow;
use std::collections::BTreeMap;
use stepladder_model::Graph;

/// What wrappers of a whole network put before every name.
const WRAPPERS: &[&str] = &["module.", "model.", "backbone."];

/// Names that a parameter's tensor may have, the first that is there counts: the parameter's own, and PyTorch's.
pub(crate) fn of_parameter(name: &str) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    let Some((layer, part)) = name.rsplit_once('/') else {
        return names;
    };
    let module = layer.replace('-', ".");
    match part {
        "kernel" => names.push(format!("{module}.weight")),
        "bias" | "beta" => names.push(format!("{module}.bias")),
        // Of a normalization, of timm's LayerScale, and of a factor without a module of its own.
        "gamma" => names.extend([format!("{module}.weight"), format!("{module}.gamma"), module]),
        "moving_mean" => names.push(format!("{module}.running_mean")),
        "moving_variance" => names.push(format!("{module}.running_var")),
        // Both kernels of a separable convolution: no module of PyTorch's has them.
        _ => {}
    }
    names
}

/// The file's tensors by the names of timm's modules.
pub(crate) fn candidates<'a>(weights: &'a Weights, graph: &Graph) -> BTreeMap<String, Candidate<'a>> {
    let wrapper = wrapper(weights);
    let blocks = Blocks::of(graph);
    let candidate = |(name, tensor): (&'a String, _)| {
        let plain = &name[wrapper.len()..];
        let translated = blocks.translated(plain);
        let candidate = Candidate {
            origins: vec![name.as_str()],
            tensor: Cow::Borrowed(tensor),
        };
        (translated.unwrap_or_else(|| plain.to_owned()), candidate)
    };
    weights.tensors.iter().map(candidate).collect()
}

/// What stands before all of the names.
fn wrapper(weights: &Weights) -> &'static str {
    let before_all = |wrapper: &&&str| weights.tensors.keys().all(|name| name.starts_with(**wrapper));
    match weights.tensors.is_empty() {
        true => "",
        false => WRAPPERS.iter().find(before_all).copied().unwrap_or(""),
    }
}

/// The blocks of a rung whose layers are called `blocks-STAGE-BLOCK-..`, in order. Other files count them through, and number
/// the layers in them.
struct Blocks {
    blocks: Vec<Block>,
}

struct Block {
    /// `blocks.1.0`
    path: String,
    /// Whether it begins with a 1 x 1 convolution that makes more channels.
    expands: bool,
}

/// The layers of a block that expands: convolution, normalization, three times.
const EXPANDING: [&str; 6] = ["conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"];

/// Those of one that does not.
const DEPTHWISE_FIRST: [&str; 4] = ["conv_dw", "bn1", "conv_pw", "bn2"];

impl Blocks {
    fn of(graph: &Graph) -> Blocks {
        let mut blocks: Vec<Block> = Vec::new();
        for layer in &graph.layers {
            let mut words = layer.name.splitn(4, '-');
            let (Some("blocks"), Some(stage), Some(block), Some(part)) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                continue;
            };
            let path = format!("blocks.{stage}.{block}");
            if blocks.last().is_none_or(|last| last.path != path) {
                blocks.push(Block { path, expands: false });
            }
            if let (Some(block), "conv_pwl") = (blocks.last_mut(), part) {
                block.expands = true;
            }
        }
        Blocks { blocks }
    }

    /// timm's name of a tensor of another program; none where it is not one of those.
    fn translated(&self, name: &str) -> Option<String> {
        if self.blocks.is_empty() {
            return None;
        }
        self.of_efficientnet_pytorch(name)
            .or_else(|| self.of_torchvision(name))
    }

    /// Names of `efficientnet-lite0-pytorch` and its like: `_blocks.3._expand_conv.weight`.
    fn of_efficientnet_pytorch(&self, name: &str) -> Option<String> {
        let (module, part) = name.rsplit_once('.')?;
        let top = match module {
            "_conv_stem" => Some("conv_stem"),
            "_bn0" => Some("bn1"),
            "_conv_head" => Some("conv_head"),
            "_bn1" => Some("bn2"),
            "_fc" => Some("classifier"),
            _ => None,
        };
        if let Some(top) = top {
            return Some(format!("{top}.{part}"));
        }
        let (number, inner) = module.strip_prefix("_blocks.")?.split_once('.')?;
        let block = self.blocks.get(number.parse::<usize>().ok()?)?;
        let at = match inner {
            "_expand_conv" => 0,
            "_bn0" => 1,
            "_depthwise_conv" => 2,
            "_bn1" => 3,
            "_project_conv" => 4,
            "_bn2" => 5,
            _ => return None,
        };
        // Where nothing is expanded, counting begins at the depthwise convolution.
        let layer = match block.expands {
            true => EXPANDING.get(at)?,
            false => DEPTHWISE_FIRST.get(at.checked_sub(2)?)?,
        };
        Some(format!("{}.{layer}.{part}", block.path))
    }

    /// Names of torchvision's MobileNetV2: `features.3.conv.0.1.bias`.
    fn of_torchvision(&self, name: &str) -> Option<String> {
        let (module, part) = name.rsplit_once('.')?;
        if let Some(rest) = module.strip_prefix("classifier.") {
            return (rest == "1").then(|| format!("classifier.{part}"));
        }
        let (number, inner) = module.strip_prefix("features.")?.split_once('.')?;
        let number: usize = number.parse().ok()?;
        let after = self.blocks.len() + 1;
        let top = match (number, inner) {
            (0, "0") => Some("conv_stem"),
            (0, "1") => Some("bn1"),
            (number, "0") if number == after => Some("conv_head"),
            (number, "1") if number == after => Some("bn2"),
            _ => None,
        };
        if let Some(top) = top {
            return Some(format!("{top}.{part}"));
        }
        let block = self.blocks.get(number.checked_sub(1)?)?;
        // All convolutions but the last stand with their normalization in a list of their own.
        let layer = match (block.expands, inner.strip_prefix("conv.")?) {
            (true, "0.0") => EXPANDING[0],
            (true, "0.1") => EXPANDING[1],
            (true, "1.0") => EXPANDING[2],
            (true, "1.1") => EXPANDING[3],
            (true, "2") => EXPANDING[4],
            (true, "3") => EXPANDING[5],
            (false, "0.0") => DEPTHWISE_FIRST[0],
            (false, "0.1") => DEPTHWISE_FIRST[1],
            (false, "1") => DEPTHWISE_FIRST[2],
            (false, "2") => DEPTHWISE_FIRST[3],
            _ => return None,
        };
        Some(format!("{}.{layer}.{part}", block.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks() -> Blocks {
        let block = |path: &str, expands| Block {
            path: path.to_owned(),
            expands,
        };
        Blocks {
            blocks: vec![
                block("blocks.0.0", false),
                block("blocks.1.0", true),
                block("blocks.1.1", true),
            ],
        }
    }

    #[test]
    fn blocks_are_counted_through_elsewhere() {
        for (theirs, ours) in [
            ("_conv_stem.weight", "conv_stem.weight"),
            ("_bn0.running_var", "bn1.running_var"),
            ("_blocks.0._depthwise_conv.weight", "blocks.0.0.conv_dw.weight"),
            ("_blocks.0._bn2.bias", "blocks.0.0.bn2.bias"),
            ("_blocks.2._expand_conv.weight", "blocks.1.1.conv_pw.weight"),
            ("_blocks.2._bn1.weight", "blocks.1.1.bn2.weight"),
            ("_fc.bias", "classifier.bias"),
            ("features.0.0.weight", "conv_stem.weight"),
            ("features.1.conv.0.0.weight", "blocks.0.0.conv_dw.weight"),
            ("features.1.conv.1.weight", "blocks.0.0.conv_pw.weight"),
            ("features.3.conv.2.weight", "blocks.1.1.conv_pwl.weight"),
            ("features.3.conv.3.running_mean", "blocks.1.1.bn3.running_mean"),
            ("features.4.1.weight", "bn2.weight"),
            ("classifier.1.weight", "classifier.weight"),
        ] {
            assert_eq!(blocks().translated(theirs).as_deref(), Some(ours), "{theirs}");
        }
        for other in [
            "blocks.0.0.conv_dw.weight",
            "_blocks.9._bn0.weight",
            "_blocks.0._bn0.weight",
            "features.5.0.weight",
            "fc",
        ] {
            assert_eq!(blocks().translated(other), None, "{other}");
        }
    }

    #[test]
    fn a_factor_may_be_a_tensor_of_its_own() {
        let names = of_parameter("stages-0-blocks-1-gamma/gamma");
        assert_eq!(names.last().map(String::as_str), Some("stages.0.blocks.1.gamma"));
        assert_eq!(
            of_parameter("separable/depthwise_kernel"),
            ["separable/depthwise_kernel"]
        );
    }
}

//! Which rung is which of timm's networks: names and shapes of two networks may be equal, and their padding not.

/// timm's name of each shipped network, as its `config.json` has it, and the rung's.
const KNOWN: &[(&str, &str)] = &[
    ("convnext_atto", "convnext-atto"),
    ("mobilenetv1_100", "mobilenetv1"),
    ("mobilenetv2_100", "mobilenetv2"),
    ("mobilenetv3_large_100", "mobilenetv3-large"),
    ("mobilenetv3_small_100", "mobilenetv3-small"),
    ("mobilenetv4_conv_small", "mobilenetv4-small"),
    ("regnetx_002", "regnetx-002"),
    ("regnetx_004", "regnetx-004"),
    ("repvgg_a0", "repvgg-a0"),
    ("resnet18", "resnet18"),
    ("resnet18d", "resnet18d"),
    ("resnet34", "resnet34"),
    ("resnet50", "resnet50"),
    ("tf_efficientnet_lite0", "efficientnet-lite0"),
];

/// The shipped rung that is timm's network of this name ([`Config::architecture`](crate::Config)).
pub fn rung_of(architecture: &str) -> Option<&'static str> {
    let known = KNOWN.iter().find(|(theirs, _)| *theirs == architecture);
    known.map(|(_, rung)| *rung)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepladder_model::{RungCatalog, networks};

    #[test]
    fn every_network_is_known_by_the_name_that_its_rung_tells() {
        assert_eq!(KNOWN.len(), networks().len());
        for (theirs, rung) in KNOWN {
            let about = RungCatalog::shipped().get(rung).unwrap().about.unwrap();
            assert!(about.contains(&format!("timm's `{theirs}`")), "{rung}: {about}");
        }
        assert_eq!(rung_of("resnet18"), Some("resnet18"));
        assert_eq!(rung_of("efficientnet_lite0"), None);
    }
}

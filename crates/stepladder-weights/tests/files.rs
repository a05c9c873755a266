//! Files of weights in every form that is read; and files that were damaged or made up to do harm, which end in an error.

use proptest::prelude::*;
use std::path::{Path, PathBuf};
use stepladder_weights::{Tensor, Weights, WeightsError, from_bytes, read};

/// Forms of the same tensors, which `oracle/golden_pth.py` writes.
const FORMS: &[&str] = &["zip.pth", "legacy.pth", "checkpoint.pth", "tensors.safetensors"];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/files")
        .join(name)
}

fn content(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

fn message(name: &str, content: &[u8]) -> String {
    from_bytes(Path::new(name), content).unwrap_err().to_string()
}

fn counted(count: usize) -> Vec<f32> {
    (0..count).map(|value| value as f32).collect()
}

#[test]
fn every_form_gives_the_tensors_that_it_has() {
    let mut expected = Weights::default();
    let eighths = counted(24).into_iter().map(|value| value / 8.0).collect();
    expected.insert("conv.weight", Tensor::new(vec![2, 3, 2, 2], eighths));
    expected.insert(
        "part",
        Tensor::new(vec![2, 3], vec![3.0, 4.0, 5.0, 6.0, 7.0, 8.0]),
    );
    expected.insert(
        "turned",
        Tensor::new(vec![3, 2], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]),
    );
    expected.insert("half", Tensor::new(vec![3], vec![0.5, -1.25, 65504.0]));
    expected.insert("brain", Tensor::new(vec![2, 1], vec![0.5, -3.0]));
    expected.insert("single", Tensor::new(vec![], vec![3.25]));
    for form in FORMS {
        assert_eq!(read(&path(form)).unwrap(), expected, "{form}");
    }
}

#[test]
fn the_name_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("weights.bin");
    std::fs::copy(path("legacy.pth"), &copy).unwrap();
    assert_eq!(read(&copy).unwrap(), read(&path("zip.pth")).unwrap());
}

#[test]
fn what_is_no_weights_is_told_with_what_to_do() {
    for (name, expected) in [
        (
            "whole-network.pth",
            "holds `torch.nn.modules.linear.Linear`, which only Python can run; save the tensors alone: \
             torch.save(model.state_dict(), FILE)",
        ),
        (
            "double.pth",
            "tensor `exact` has type DoubleStorage, where weights are F32, F16 or BF16; save it anew as one of these",
        ),
        (
            "int8.safetensors",
            "tensor `quantized` has type I8, where weights are F32, F16 or BF16; save it anew as one of these",
        ),
        (
            "nan.pth",
            "tensor `diverged` has values that are not finite; the training that it comes from has failed, or the file is damaged",
        ),
    ] {
        assert_eq!(message(name, &content(name)), format!("{name}: {expected}"));
    }
    assert_eq!(
        message("a.txt", b"no weights at all"),
        "a.txt: no weights that can be read here; give a .safetensors, .pth or .pt file"
    );
    let error = read(Path::new("no/such.pth")).unwrap_err();
    assert!(matches!(error, WeightsError::Io { .. }), "{error}");
}

#[test]
fn a_zip_that_is_not_pytorchs_is_refused() {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stepladder/photos/small_flowers5.zip");
    let message = read(&archive).unwrap_err().to_string();
    assert!(
        message.contains("damaged: a zip without PyTorch's data.pkl"),
        "{message}"
    );
}

/// No more values than bytes, and no panic.
fn survives(name: &str, content: &[u8]) {
    if let Ok(weights) = from_bytes(Path::new(name), content) {
        let values: usize = weights.tensors.values().map(|tensor| tensor.values.len()).sum();
        assert!(
            values <= content.len(),
            "{name}: {values} values of {} bytes",
            content.len()
        );
    }
}

#[test]
fn files_cut_short_or_with_one_byte_changed_are_survived() {
    for name in FORMS.iter().chain(&["whole-network.pth"]) {
        let whole = content(name);
        for length in 0..whole.len() {
            let message = message(name, &whole[..length]);
            assert!(
                message.contains("damaged") || message.contains("no weights"),
                "{name}, {length}: {message}"
            );
        }
        for at in 0..whole.len() {
            for change in [0x01, 0x08, 0x80, 0xff, whole[at], whole[at] ^ b'.'] {
                let mut changed = whole.clone();
                changed[at] ^= change;
                survives(name, &changed);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn files_changed_at_random_are_survived(
        form in 0..FORMS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        moved in any::<[prop::sample::Index; 3]>(),
    ) {
        let mut content = content(FORMS[form]);
        for (at, value) in changes {
            let at = at.index(content.len());
            content[at] = value;
        }
        // Some bytes again, elsewhere.
        let [from, length, to] = moved.map(|index| index.index(content.len()));
        let part = content[from..(from + length % 64).min(content.len())].to_vec();
        content.splice(to..to, part);
        survives(FORMS[form], &content);
    }
}

/// A file of the older form with one tensor of four numbers; `shape` and `strides` as the pickle has them.
fn legacy(shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let mut file = content("legacy.pth")[..15].to_vec();
    file.extend(b"\x80\x02M\xe9\x03.\x80\x02}.");
    file.extend(b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n");
    file.extend(b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQK\x00(");
    file.extend(shape);
    file.extend(b"t(");
    file.extend(strides);
    file.extend(b"t\x89}tRs.\x80\x02](X\x01\x00\x00\x000e.");
    file.extend(4_i64.to_le_bytes());
    file.extend([1.0_f32, 2.0, 3.0, 4.0].map(f32::to_le_bytes).as_flattened());
    file
}

#[test]
fn views_that_reach_beyond_their_numbers_are_refused() {
    let turned = from_bytes(Path::new("made.pth"), &legacy(b"K\x02K\x02", b"K\x01K\x02")).unwrap();
    assert_eq!(
        turned.tensors["w"],
        Tensor::new(vec![2, 2], vec![1.0, 3.0, 2.0, 4.0])
    );
    let nothing = from_bytes(
        Path::new("made.pth"),
        &legacy(b"J\xff\xff\xff\x7fK\x00", b"K\x00K\x00"),
    )
    .unwrap();
    assert!(nothing.tensors["w"].values.is_empty());
    for (shape, strides, expected) in [
        (&b"K\x05"[..], &b"K\x01"[..], "it reaches beyond its storage"),
        (b"K\x02", b"J\xff\xff\xff\x7f", "it reaches beyond its storage"),
        // A number repeated 2^31 times, and 2^62.
        (b"J\xff\xff\xff\x7f", b"K\x00", "more values than the file has"),
        (
            b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f",
            b"K\x00K\x00",
            "more values than the file has",
        ),
        // Nothing, but in many dimensions.
        (
            b"K\x00J\xff\xff\xff\x7f",
            b"K\x00",
            "a shape and strides of different lengths",
        ),
    ] {
        let message = message("made.pth", &legacy(shape, strides));
        assert_eq!(
            message,
            format!("made.pth: damaged: tensor `w`: {expected}; copy or download it again")
        );
    }
}

#[test]
fn a_header_longer_than_any_networks_is_not_parsed() {
    let mut file = (1_u64 << 30).to_le_bytes().to_vec();
    file.push(b'{');
    let message = message("long.safetensors", &file);
    assert_eq!(
        message,
        "long.safetensors: damaged: a header of 1073741824 bytes; copy or download it again"
    );
}

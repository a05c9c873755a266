//! The checksum of a model file: blake3 over every byte of it, with the sum's own 64 digits taken as zeros. No bit of
//! the file, header or weights, can change unnoticed, and anyone with `b3sum` can check it.

/// What stands in the place of the sum while it is computed.
pub(crate) const UNSEALED: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What comes before the sum in the file: the key in a JSON document that is itself a JSON string. No name in the
/// document can look like it, because there the quotes are escaped once more.
const BEFORE: &[u8] = br#"\"blake3\":\""#;

/// Puts the sum into the head of a file that is made with [`UNSEALED`] and goes on with `data`; `None` if it has no place for one.
pub(crate) fn seal<'a>(head: &mut [u8], data: impl Iterator<Item = &'a [u8]>) -> Option<()> {
    let place = place(head)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(head);
    data.for_each(|bytes| {
        hasher.update(bytes);
    });
    head[place].copy_from_slice(hasher.finalize().to_hex().as_bytes());
    Some(())
}

/// Whether a file is, byte for byte, what was sealed. `bytes` are the same afterwards.
pub(crate) fn is_intact(bytes: &mut [u8]) -> bool {
    let Some(place) = place(bytes) else {
        return false;
    };
    let found = bytes[place.clone()].to_vec();
    bytes[place.clone()].copy_from_slice(UNSEALED.as_bytes());
    let sum = blake3::hash(bytes).to_hex();
    bytes[place].copy_from_slice(&found);
    sum.as_bytes() == found
}

fn place(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    let start = bytes.windows(BEFORE.len()).position(|window| window == BEFORE)? + BEFORE.len();
    let place = start..start + UNSEALED.len();
    (place.end <= bytes.len()).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_breaks_the_seal() {
        let mut bytes = format!(r#"{{\"blake3\":\"{UNSEALED}\",\"classes\"}}"#).into_bytes();
        seal(&mut bytes, [&b"wei"[..], b"ghts"].into_iter()).unwrap();
        bytes.extend(b"weights");
        assert!(is_intact(&mut bytes));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(!is_intact(&mut changed), "byte {at}");
        }
        assert!(!is_intact(&mut bytes[..40]));
    }

    #[test]
    fn what_has_no_place_for_a_sum_is_neither_sealed_nor_intact() {
        assert_eq!(seal(&mut b"weights".to_vec(), std::iter::empty()), None);
        assert!(!is_intact(&mut br#"\"blake3\":\"short"#.to_vec()));
    }
}

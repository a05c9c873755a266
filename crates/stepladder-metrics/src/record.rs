//! TFRecords: each is its length, a checksum of the length, the bytes, and a checksum of these. Checksums are CRC-32C, masked,
//! because the CRC of a text that holds its own CRC says nothing (TensorFlow, `lib/hash/crc32c.h` and `lib/io/record_writer.cc`).

/// CRC-32C's polynomial (Castagnoli), its bits in reverse.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// The remainders of all bytes.
const TABLE: [u32; 256] = table();

/// What TensorFlow adds to a checksum after turning it.
const MASK: u32 = 0xa282_ead8;

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            let odd = remainder & 1 == 1;
            remainder >>= 1;
            if odd {
                remainder ^= POLYNOMIAL;
            }
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
    }
    table
}

/// The CRC-32C of some bytes (RFC 3720, appendix B.4).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |remainder, &byte| {
        TABLE[usize::from(remainder as u8 ^ byte)] ^ (remainder >> 8)
    })
}

fn masked(bytes: &[u8]) -> [u8; 4] {
    crc(bytes).rotate_right(15).wrapping_add(MASK).to_le_bytes()
}

/// Appends a record to `out`.
pub(crate) fn append(out: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    out.extend(length);
    out.extend(masked(&length));
    out.extend(data);
    out.extend(masked(data));
}

/// A record's data, and the bytes behind the record.
pub(crate) type RecordAndRest<'a> = (&'a [u8], &'a [u8]);

/// The first record of `bytes` and what follows it. `Ok(None)` where the end is cut off, as in a file that is being written.
pub(crate) fn first(bytes: &[u8]) -> Result<Option<RecordAndRest<'_>>, &'static str> {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Ok(None);
    };
    let Some((checksum, rest)) = rest.split_first_chunk::<4>() else {
        return Ok(None);
    };
    if *checksum != masked(length) {
        return Err("the checksum of a record's length is wrong");
    }
    // A length beyond the address space is beyond the file, too.
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let Some((data, rest)) = rest.split_at_checked(length) else {
        return Ok(None);
    };
    let Some((checksum, rest)) = rest.split_first_chunk::<4>() else {
        return Ok(None);
    };
    if *checksum != masked(data) {
        return Err("the checksum of a record is wrong");
    }
    Ok(Some((data, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, appendix B.4, and the usual check value.
        assert_eq!(crc(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc(b"123456789"), 0xe306_9283);
        let rising: Vec<u8> = (0..32).collect();
        assert_eq!(crc(&rising), 0x46dd_794e);
    }

    proptest! {
        #[test]
        fn records_come_back_and_damage_is_found(
            data in prop::collection::vec(any::<u8>(), 0..200),
            at in any::<prop::sample::Index>(),
            bit in 0_u32..8,
        ) {
            let mut file = Vec::new();
            append(&mut file, &data);
            append(&mut file, b"next");
            let (read, rest) = first(&file).unwrap().unwrap();
            prop_assert_eq!(read, &data[..]);
            prop_assert_eq!(first(rest).unwrap().unwrap().0, b"next");
            // A cut is no damage.
            prop_assert_eq!(first(&file[..at.index(data.len() + 16)]), Ok(None));
            file[at.index(data.len() + 16)] ^= 1 << bit;
            prop_assert!(first(&file).is_err());
        }
    }
}

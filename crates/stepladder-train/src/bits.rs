//! Floats in a checkpoint's document, written as their bits: JSON knows no infinity, and a decimal that is read back need not be the same number.
//! For `#[serde(with = "bits")]` and its optional form.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A float that has bits.
pub(crate) trait Bits: Copy {
    /// The unsigned integer of the same width.
    type Integer: Serialize + for<'de> Deserialize<'de>;
    fn to_integer(self) -> Self::Integer;
    fn from_integer(bits: Self::Integer) -> Self;
}

impl Bits for f32 {
    type Integer = u32;
    fn to_integer(self) -> u32 {
        self.to_bits()
    }
    fn from_integer(bits: u32) -> f32 {
        f32::from_bits(bits)
    }
}

impl Bits for f64 {
    type Integer = u64;
    fn to_integer(self) -> u64 {
        self.to_bits()
    }
    fn from_integer(bits: u64) -> f64 {
        f64::from_bits(bits)
    }
}

pub(crate) fn serialize<F: Bits, S: Serializer>(value: &F, to: S) -> Result<S::Ok, S::Error> {
    value.to_integer().serialize(to)
}

pub(crate) fn deserialize<'de, F: Bits, D: Deserializer<'de>>(from: D) -> Result<F, D::Error> {
    F::Integer::deserialize(from).map(F::from_integer)
}

/// The same for a float that may be missing.
pub(crate) mod option {
    use super::*;

    pub(crate) fn serialize<F: Bits, S: Serializer>(value: &Option<F>, to: S) -> Result<S::Ok, S::Error> {
        value.map(F::to_integer).serialize(to)
    }

    pub(crate) fn deserialize<'de, F: Bits, D: Deserializer<'de>>(from: D) -> Result<Option<F>, D::Error> {
        Ok(Option::<F::Integer>::deserialize(from)?.map(F::from_integer))
    }
}

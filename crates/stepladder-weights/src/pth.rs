//! Tensors of PyTorch's own files: since version 1.6 a zip of a pickle and of storages, before that several pickles and then the
//! storages (`torch/serialization.py`, `_load` and `_legacy_load`).

use crate::error::WeightsError;
use crate::pickle::{self, Cursor, LONGEST_PICKLE, Machine, PickleError, Storage, Value, View};
use crate::read::is_counter;
use crate::safetensors_file::wide;
use crate::tensor::{Tensor, Weights};
use half::{bf16, f16};
use std::collections::BTreeMap;
use std::io::{Cursor as Bytes, Read};
use std::path::Path;
use zip::ZipArchive;

/// How a zip begins.
const ZIP: &[u8] = b"PK\x03\x04";

/// How a file of the older form begins: a pickle of `0x1950a86a20f9469cfc6c`.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// Where trainings keep the network's tensors among other things; a moving average of the weights comes first.
const STATES: &[&str] = &[
    "state_dict_ema",
    "model_ema",
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "net",
];

/// Whether the content begins as one of the two forms.
pub(crate) fn is_one(content: &[u8]) -> bool {
    content.starts_with(ZIP) || content.starts_with(LEGACY)
}

pub(crate) fn tensors(path: &Path, content: &[u8]) -> Result<Weights, WeightsError> {
    let read = match content.starts_with(ZIP) {
        true => zipped(content),
        false => legacy(content),
    };
    read.map_err(|failure| failure.of(path))
}

/// Why a file cannot be read; the path is put in later.
enum Failure {
    Damaged(String),
    Class(String),
    Type { tensor: String, found: String },
}

impl From<PickleError> for Failure {
    fn from(error: PickleError) -> Failure {
        match error {
            PickleError::Damaged(reason) => Failure::Damaged(reason),
            PickleError::Class(name) => Failure::Class(name),
        }
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Failure {
        Failure::Damaged(reason)
    }
}

impl From<&str> for Failure {
    fn from(reason: &str) -> Failure {
        Failure::Damaged(reason.to_owned())
    }
}

impl Failure {
    fn of(self, path: &Path) -> WeightsError {
        let path = path.to_owned();
        match self {
            Failure::Damaged(reason) => WeightsError::Damaged { path, reason },
            Failure::Class(class) => WeightsError::Class { path, class },
            Failure::Type { tensor, found } => WeightsError::Type { path, tensor, found },
        }
    }
}

/// The newer form.
fn zipped(content: &[u8]) -> Result<Weights, Failure> {
    let mut archive = ZipArchive::new(Bytes::new(content)).map_err(|error| error.to_string())?;
    let folder = archive
        .file_names()
        .filter_map(Result::ok)
        .find_map(|name| name.strip_suffix("data.pkl").map(str::to_owned))
        .ok_or("a zip without PyTorch's data.pkl")?;
    let pickled = entry(&mut archive, &format!("{folder}data.pkl"), LONGEST_PICKLE)?;
    if let Ok(order) = entry(&mut archive, &format!("{folder}byteorder"), 16)
        && order != b"little"
    {
        return Err("numbers are stored big-endian".into());
    }
    let (machine, value) = pickle::read(&mut Cursor::new(&pickled))?;
    let mut reader = Reader::new(&machine, value, content.len())?;
    for key in reader.keys() {
        let storage = entry(&mut archive, &format!("{folder}data/{key}"), reader.bytes_left)?;
        reader.take(key, &storage)?;
    }
    reader.finish()
}

/// The content of an entry, which PyTorch never compresses; its checksum is compared.
fn entry(archive: &mut ZipArchive<Bytes<&[u8]>>, name: &str, most: usize) -> Result<Vec<u8>, Failure> {
    let failed = |error: String| Failure::Damaged(format!("{name}: {error}"));
    let file = archive.by_name(name).map_err(|error| failed(error.to_string()))?;
    if file.compression() != zip::CompressionMethod::Stored || file.size() > most as u64 {
        return Err(failed("compressed, or larger than the file".to_owned()));
    }
    let mut bytes = Vec::new();
    let read = file.take(most as u64).read_to_end(&mut bytes);
    read.map_err(|error| failed(error.to_string()))?;
    Ok(bytes)
}

/// The older form: a number, a version, what machine it was, the value, keys of storages, and the storages in that order, each
/// behind its length.
fn legacy(content: &[u8]) -> Result<Weights, Failure> {
    let mut cursor = Cursor::new(&content[LEGACY.len()..]);
    pickle::read(&mut cursor)?;
    let (machine, info) = pickle::read(&mut cursor)?;
    if entries(&machine, info).any(|entry| entry == (Value::Text("little_endian"), Value::Bool(false))) {
        return Err("numbers are stored big-endian".into());
    }
    let (machine, value) = pickle::read(&mut cursor)?;
    let (lists, keys) = pickle::read(&mut cursor)?;
    let mut reader = Reader::new(&machine, value, content.len())?;
    let kinds = machine.storages.iter().map(|storage| (storage.key, storage.kind));
    let kinds: BTreeMap<&str, &str> = kinds.collect();
    for key in lists.parts(keys)? {
        let Value::Text(key) = *key else {
            return Err("a storage's key is no text".into());
        };
        let count = usize::try_from(cursor.i64()?).map_err(|_| "a storage of negative length")?;
        let kind = kinds.get(key).ok_or("a storage that no tensor has")?;
        let size = size_of(kind).ok_or_else(|| format!("numbers of the type {kind}"))?;
        let length = count.checked_mul(size).ok_or("a storage longer than the file")?;
        reader.take(key, cursor.take(length)?)?;
    }
    reader.finish()
}

/// The bytes of a number of a storage's type.
fn size_of(kind: &str) -> Option<usize> {
    match kind {
        "FloatStorage" | "IntStorage" => Some(4),
        "HalfStorage" | "BFloat16Storage" | "ShortStorage" => Some(2),
        "DoubleStorage" | "LongStorage" => Some(8),
        "ByteStorage" | "CharStorage" | "BoolStorage" => Some(1),
        _ => None,
    }
}

/// A storage's numbers; of one of the types that [`Reader::new`] lets through.
fn numbers(kind: &str, bytes: &[u8]) -> Vec<f32> {
    match kind {
        "FloatStorage" => wide(bytes, f32::from_le_bytes),
        "HalfStorage" => wide(bytes, |bytes| f16::from_le_bytes(bytes).to_f32()),
        _ => wide(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32()),
    }
}

/// The entries of a dictionary; none of anything else.
fn entries<'m, 'a>(
    machine: &'m Machine<'a>,
    value: Value<'a>,
) -> impl Iterator<Item = (Value<'a>, Value<'a>)> + 'm {
    let index = if let Value::Dictionary(index) = value {
        Some(index)
    } else {
        None
    };
    let entries = index.map(|index| machine.dictionaries[index].as_slice());
    entries.unwrap_or_default().iter().copied()
}

/// Tensors by their names, waiting for their storages.
struct Reader<'m, 'a> {
    machine: &'m Machine<'a>,
    /// Views and their names, by the key of their storage.
    waiting: BTreeMap<&'a str, Vec<(&'a str, &'m View)>>,
    weights: Weights,
    /// How many values tensors may still have: no more than the file has bytes, or views that repeat a number could take any
    /// memory.
    values_left: usize,
    /// How many bytes storages may still have, which is less than the file.
    bytes_left: usize,
}

impl<'m, 'a> Reader<'m, 'a> {
    fn new(machine: &'m Machine<'a>, value: Value<'a>, file: usize) -> Result<Reader<'m, 'a>, Failure> {
        let mut reader = Reader {
            machine,
            waiting: BTreeMap::new(),
            weights: Weights::default(),
            values_left: file,
            bytes_left: file,
        };
        for (name, view) in named_views(machine, value)? {
            let Storage { kind, key, .. } = machine.storages[view.storage];
            if is_counter(name) {
                continue;
            }
            if !matches!(kind, "FloatStorage" | "HalfStorage" | "BFloat16Storage") {
                return Err(Failure::Type {
                    tensor: name.to_owned(),
                    found: kind.to_owned(),
                });
            }
            reader.waiting.entry(key).or_default().push((name, view));
        }
        Ok(reader)
    }

    /// The keys of all storages that tensors wait for.
    fn keys(&self) -> Vec<&'a str> {
        self.waiting.keys().copied().collect()
    }

    /// Makes the tensors of a storage.
    fn take(&mut self, key: &str, bytes: &[u8]) -> Result<(), Failure> {
        let left = self.bytes_left.checked_sub(bytes.len());
        self.bytes_left = left.ok_or("storages longer than the file")?;
        let mut read = ("", Vec::new());
        for (name, view) in self.waiting.remove(key).unwrap_or_default() {
            let Storage { kind, count, .. } = self.machine.storages[view.storage];
            // Once, and not for each of the views that a file may have of it.
            if read.0 != kind {
                read = (kind, numbers(kind, bytes));
            }
            let numbers = &read.1;
            if numbers.len() < count {
                return Err(format!("storage {key} has {} numbers of {count}", numbers.len()).into());
            }
            let values = self.values(view, numbers);
            let values = values.map_err(|reason| format!("tensor `{name}`: {reason}"))?;
            self.weights.insert(name, Tensor::new(view.shape.clone(), values));
        }
        Ok(())
    }

    /// The view's values, row-major.
    fn values(&mut self, view: &View, numbers: &[f32]) -> Result<Vec<f32>, String> {
        let count = view
            .shape
            .iter()
            .try_fold(1_usize, |count, &side| count.checked_mul(side));
        let left = count.and_then(|count| self.values_left.checked_sub(count));
        self.values_left = left.ok_or("more values than the file has")?;
        if view.shape.len() != view.strides.len() {
            return Err("a shape and strides of different lengths".to_owned());
        }
        // Sides before one of 0 would still be gone through.
        if count == Some(0) {
            return Ok(Vec::new());
        }
        let mut offsets = vec![view.offset];
        for (&side, &stride) in view.shape.iter().zip(&view.strides) {
            let of_side = |offset: &usize| {
                let offset = *offset;
                (0..side).map(move |at| at.checked_mul(stride)?.checked_add(offset))
            };
            offsets = offsets
                .iter()
                .flat_map(of_side)
                .collect::<Option<_>>()
                .ok_or("strides beyond all bounds")?;
        }
        let value = |offset: usize| numbers.get(offset).copied();
        let values: Option<Vec<f32>> = offsets.into_iter().map(value).collect();
        values.ok_or_else(|| "it reaches beyond its storage".to_owned())
    }

    fn finish(self) -> Result<Weights, Failure> {
        match self.waiting.keys().next() {
            Some(key) => Err(format!("storage {key} is missing").into()),
            None => Ok(self.weights),
        }
    }
}

/// The tensors of a file and their names: of the dictionary that it is, or of the one that it has under a usual key.
fn named_views<'m, 'a>(
    machine: &'m Machine<'a>,
    value: Value<'a>,
) -> Result<Vec<(&'a str, &'m View)>, Failure> {
    let tensors = |value| -> Vec<(&'a str, &'m View)> {
        let named = |(key, value)| match (key, value) {
            (Value::Text(name), Value::Tensor(index)) => Some((name, &machine.views[index])),
            _ => None,
        };
        entries(machine, value).filter_map(named).collect()
    };
    let inner = STATES.iter().filter_map(|&state| {
        let (_, value) = entries(machine, value).find(|(key, _)| *key == Value::Text(state))?;
        Some(value)
    });
    let found = inner
        .chain([value])
        .map(tensors)
        .find(|tensors| !tensors.is_empty());
    found.ok_or_else(|| "no tensors by name; save the network's state_dict()".into())
}

//! Python's pickles, read as plain data.
//!
//! A pickle is a program for a machine with a stack (`Lib/pickletools.py` documents its operations). This machine knows those that
//! files of weights need. It imports nothing and calls nothing: of the functions that a pickle may name, it knows what a few
//! would give, and any other name ends the reading. Each byte of the file makes at most one value, values are numbers into
//! lists here rather than nested, and a longer program than weights need is refused: so neither depth nor sharing costs memory.

use std::collections::BTreeMap;

/// The longest pickle, in bytes. That of a network with a thousand tensors has 0.2 million.
pub(crate) const LONGEST_PICKLE: usize = 4 << 20;

/// Why a pickle cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PickleError {
    /// It breaks the rules of pickles, or those of PyTorch's.
    Damaged(String),
    /// It names something of Python's that is not known here.
    Class(String),
}

impl From<&str> for PickleError {
    fn from(reason: &str) -> PickleError {
        PickleError::Damaged(reason.to_owned())
    }
}

type Result<T> = std::result::Result<T, PickleError>;

/// A value. Those with content are indices into the [`Machine`]'s lists.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits, little-endian.
    Long(&'a [u8]),
    Float(f64),
    Text(&'a str),
    /// A list or a tuple, which are the same here.
    Sequence(usize),
    Dictionary(usize),
    /// A function or a class that is known.
    Global(Global<'a>),
    Storage(usize),
    Tensor(usize),
}

/// What a pickle may name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Global<'a> {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    /// PyTorch's name of the storage's type: `FloatStorage`.
    Storage(&'a str),
}

/// Numbers of one type that tensors are views of; stored outside of the pickle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Storage<'a> {
    /// `FloatStorage`
    pub kind: &'a str,
    /// Under which the file has its numbers.
    pub key: &'a str,
    /// How many there are.
    pub count: usize,
}

/// A view of a storage: element `(i, j, ..)` is number `offset + i * strides[0] + j * strides[1] + ..`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View {
    /// Index of its storage.
    pub storage: usize,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// The state of a pickle's program, and what it has made.
#[derive(Debug, Default)]
pub(crate) struct Machine<'a> {
    stack: Vec<Value<'a>>,
    /// Heights of the stack that were marked.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Value<'a>>,
    pub sequences: Vec<Vec<Value<'a>>>,
    pub dictionaries: Vec<Vec<(Value<'a>, Value<'a>)>>,
    pub storages: Vec<Storage<'a>>,
    pub views: Vec<View>,
}

/// Bytes from which a program is read, and how far.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes }
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or("it ends too early")?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or("it ends too early")?;
        self.bytes = rest;
        Ok(*taken)
    }

    pub(crate) fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn text(&mut self, length: usize) -> Result<Value<'a>> {
        Ok(Value::Text(utf8(self.take(length)?)?))
    }

    fn line(&mut self) -> Result<&'a str> {
        let end = self.bytes.iter().position(|&byte| byte == b'\n');
        let line = self.take(end.ok_or("a name does not end")? + 1)?;
        utf8(&line[..line.len() - 1])
    }
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| "a text that is not UTF-8".into())
}

/// Reads one pickle, and leaves `cursor` behind it. The machine has what the value refers to.
pub(crate) fn read<'a>(cursor: &mut Cursor<'a>) -> Result<(Machine<'a>, Value<'a>)> {
    let mut machine = Machine::default();
    let before = cursor.rest().len();
    while machine.step(cursor)? {
        if before - cursor.rest().len() > LONGEST_PICKLE {
            return Err("its description of tensors is longer than any network's".into());
        }
    }
    let value = machine.pop()?;
    Ok((machine, value))
}

impl<'a> Machine<'a> {
    /// Carries out one operation; false after the last.
    fn step(&mut self, cursor: &mut Cursor<'a>) -> Result<bool> {
        match cursor.u8()? {
            b'.' => return Ok(false),
            // The protocol's number, and how far a frame reaches, matter to who streams.
            0x80 => drop(cursor.u8()?),
            0x95 => drop(cursor.i64()?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'J' => {
                let value = cursor.array().map(i32::from_le_bytes)?;
                self.push(Value::Int(value.into()));
            }
            b'K' => {
                let value = cursor.u8()?;
                self.push(Value::Int(value.into()));
            }
            b'M' => {
                let value = cursor.array().map(u16::from_le_bytes)?;
                self.push(Value::Int(value.into()));
            }
            0x8a => {
                let length = cursor.u8()?;
                self.push(integer(cursor.take(length.into())?));
            }
            b'G' => {
                let value = cursor.array().map(f64::from_be_bytes)?;
                self.push(Value::Float(value));
            }
            b'X' | b'T' => {
                let length = cursor.u32()? as usize;
                let text = cursor.text(length)?;
                self.push(text);
            }
            0x8c | b'U' => {
                let length = cursor.u8()?;
                let text = cursor.text(length.into())?;
                self.push(text);
            }
            b'c' => {
                let (module, name) = (cursor.line()?, cursor.line()?);
                self.push(Value::Global(global(module, name)?));
            }
            0x93 => self.global_of_texts()?,
            b')' | b']' => self.sequence(Vec::new()),
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' | b'l' => {
                let values = self.marked()?;
                self.sequence(values);
            }
            b'a' => {
                let value = self.pop()?;
                self.append(vec![value])?;
            }
            b'e' => {
                let values = self.marked()?;
                self.append(values)?;
            }
            b'}' => self.dictionary(Vec::new())?,
            b'd' => {
                let values = self.marked()?;
                self.dictionary(values)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(vec![key, value])?;
            }
            b'u' => {
                let values = self.marked()?;
                self.set(values)?;
            }
            b'q' => {
                let place = cursor.u8()?;
                self.remember(place.into())?;
            }
            b'r' => {
                let place = cursor.u32()?;
                self.remember(place)?;
            }
            0x94 => self.remember(u32::try_from(self.memo.len()).unwrap_or(u32::MAX))?,
            b'h' => {
                let place = cursor.u8()?;
                self.recall(place.into())?;
            }
            b'j' => {
                let place = cursor.u32()?;
                self.recall(place)?;
            }
            b'Q' => self.persistent()?,
            b'R' => self.call()?,
            // Attributes of an ordered dictionary: its `_metadata`, the versions of modules.
            b'b' => drop(self.pop()?),
            other => {
                let reason = format!("operation {other:#04x}, which weights have no use for");
                return Err(PickleError::Damaged(reason));
            }
        }
        Ok(true)
    }

    fn push(&mut self, value: Value<'a>) {
        self.stack.push(value);
    }

    /// The value on top; what lies below a mark is out of reach.
    fn pop(&mut self) -> Result<Value<'a>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len() > floor {
            true => self.stack.pop().ok_or_else(|| "the stack is empty".into()),
            false => Err("the stack is empty".into()),
        }
    }

    /// The value on top, which stays there.
    fn top(&mut self) -> Result<Value<'a>> {
        let value = self.pop()?;
        self.push(value);
        Ok(value)
    }

    /// All values above the last mark.
    fn marked(&mut self) -> Result<Vec<Value<'a>>> {
        let mark = self.marks.pop().ok_or("a mark is missing")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn sequence(&mut self, values: Vec<Value<'a>>) {
        self.sequences.push(values);
        self.push(Value::Sequence(self.sequences.len() - 1));
    }

    fn tuple(&mut self, count: usize) -> Result<()> {
        let mut values = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>>>()?;
        values.reverse();
        self.sequence(values);
        Ok(())
    }

    fn append(&mut self, values: Vec<Value<'a>>) -> Result<()> {
        let Value::Sequence(list) = self.top()? else {
            return Err("something is appended to what is no list".into());
        };
        self.sequences[list].extend(values);
        Ok(())
    }

    fn dictionary(&mut self, entries: Vec<Value<'a>>) -> Result<()> {
        self.dictionaries.push(Vec::new());
        self.push(Value::Dictionary(self.dictionaries.len() - 1));
        self.set(entries)
    }

    /// Puts keys and values, one after the other, into the dictionary on top.
    fn set(&mut self, entries: Vec<Value<'a>>) -> Result<()> {
        let Value::Dictionary(dictionary) = self.top()? else {
            return Err("a key is set in what is no dictionary".into());
        };
        let (pairs, rest) = entries.as_chunks();
        if !rest.is_empty() {
            return Err("a key has no value".into());
        }
        self.dictionaries[dictionary].extend(pairs.iter().map(|[key, value]| (*key, *value)));
        Ok(())
    }

    fn remember(&mut self, place: u32) -> Result<()> {
        let value = self.top()?;
        self.memo.insert(place, value);
        Ok(())
    }

    fn recall(&mut self, place: u32) -> Result<()> {
        let value = self
            .memo
            .get(&place)
            .ok_or("a value is recalled that was never there")?;
        self.stack.push(*value);
        Ok(())
    }

    fn global_of_texts(&mut self) -> Result<()> {
        let (Value::Text(name), Value::Text(module)) = (self.pop()?, self.pop()?) else {
            return Err("a name that is no text".into());
        };
        self.push(Value::Global(global(module, name)?));
        Ok(())
    }

    /// The storage that `("storage", type, key, device, count)` stands for; older files have a sixth part, None.
    fn persistent(&mut self) -> Result<()> {
        let value = self.pop()?;
        let storage = match *self.parts(value)? {
            [
                Value::Text("storage"),
                Value::Global(Global::Storage(kind)),
                Value::Text(key),
                Value::Text(_),
                count,
            ]
            | [
                Value::Text("storage"),
                Value::Global(Global::Storage(kind)),
                Value::Text(key),
                Value::Text(_),
                count,
                Value::None,
            ] => Storage {
                kind,
                key,
                count: size(count)?,
            },
            _ => return Err("a reference to what is no storage".into()),
        };
        self.storages.push(storage);
        self.push(Value::Storage(self.storages.len() - 1));
        Ok(())
    }

    /// What a known function would give.
    fn call(&mut self) -> Result<()> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Value::Global(function) = function else {
            return Err("a call of what is no function".into());
        };
        let arguments = self.parts(arguments)?;
        match (function, arguments) {
            (Global::OrderedDict, []) => self.dictionary(Vec::new()),
            (Global::RebuildParameter, &[tensor @ Value::Tensor(_), ..]) => {
                self.push(tensor);
                Ok(())
            }
            (Global::RebuildTensor, &[Value::Storage(storage), offset, shape, strides, ..]) => {
                let view = View {
                    storage,
                    offset: size(offset)?,
                    shape: self.sizes(shape)?,
                    strides: self.sizes(strides)?,
                };
                self.views.push(view);
                self.push(Value::Tensor(self.views.len() - 1));
                Ok(())
            }
            _ => Err("a tensor is made of other things than tensors are".into()),
        }
    }

    /// The values of a sequence.
    pub(crate) fn parts(&self, value: Value<'a>) -> Result<&[Value<'a>]> {
        match value {
            Value::Sequence(index) => Ok(&self.sequences[index]),
            Value::None
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Long(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Dictionary(_)
            | Value::Global(_)
            | Value::Storage(_)
            | Value::Tensor(_) => Err("a single value where there should be several".into()),
        }
    }

    fn sizes(&self, value: Value<'a>) -> Result<Vec<usize>> {
        self.parts(value)?.iter().map(|&part| size(part)).collect()
    }
}

fn size(value: Value<'_>) -> Result<usize> {
    let Value::Int(value) = value else {
        return Err("a size that is no number".into());
    };
    usize::try_from(value).map_err(|_| "a size below 0".into())
}

/// Little-endian, two's complement.
fn integer(bytes: &[u8]) -> Value<'_> {
    if bytes.len() > 8 {
        return Value::Long(bytes);
    }
    let is_negative = bytes.last().is_some_and(|&last| last >= 0x80);
    let mut wide = [if is_negative { 0xff } else { 0 }; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(wide))
}

fn global<'a>(module: &'a str, name: &'a str) -> Result<Global<'a>> {
    match (module, name) {
        ("collections", "OrderedDict") => Ok(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor_v2") => Ok(Global::RebuildTensor),
        ("torch._utils", "_rebuild_parameter") => Ok(Global::RebuildParameter),
        ("torch", storage) if storage.ends_with("Storage") => Ok(Global::Storage(storage)),
        _ => Err(PickleError::Class(format!("{module}.{name}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(bytes: &[u8]) -> String {
        match read(&mut Cursor::new(bytes)).map(|(_, value)| value).unwrap_err() {
            PickleError::Damaged(reason) => reason,
            PickleError::Class(name) => format!("class {name}"),
        }
    }

    #[test]
    fn nothing_is_called() {
        // cos.system('echo'), the classic.
        assert_eq!(fails(b"cos\nsystem\n(X\x04\0\0\0echotR."), "class os.system");
        assert_eq!(
            fails(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93."),
            "class builtins.eval"
        );
        // A function that is known, of a module that is not.
        assert_eq!(
            fails(b"ctorch.cuda\nFloatStorage\n."),
            "class torch.cuda.FloatStorage"
        );
    }

    #[test]
    fn what_is_not_well_formed_is_told() {
        assert_eq!(fails(b""), "it ends too early");
        assert_eq!(fails(b"."), "the stack is empty");
        assert_eq!(fails(b"t."), "a mark is missing");
        assert_eq!(fails(b"K\x01(\x85."), "the stack is empty");
        assert_eq!(fails(b"h\x05."), "a value is recalled that was never there");
        assert_eq!(
            fails(b"}K\x01K\x02K\x03(K\x01u."),
            "a key is set in what is no dictionary"
        );
        assert_eq!(
            fails(b"ctorch\nFloatStorage\n)R."),
            "a tensor is made of other things than tensors are"
        );
        assert_eq!(fails(b"X\xff\xff\xff\xff."), "it ends too early");
    }

    #[test]
    fn integers_are_twos_complement() {
        assert_eq!(integer(&[]), Value::Int(0));
        assert_eq!(integer(&[0xff]), Value::Int(-1));
        assert_eq!(integer(&[0x00, 0x80, 0x00]), Value::Int(32768));
        assert_eq!(integer(&[1; 9]), Value::Long(&[1; 9]));
    }

    #[test]
    fn sharing_and_depth_cost_nothing() {
        // Each tuple holds the one before twice: written out, 2^100000 values.
        let mut bytes = b")q\x00".to_vec();
        for _ in 0..100_000 {
            bytes.extend(b"h\x00\x86q\x00");
        }
        bytes.push(b'.');
        let (machine, value) = read(&mut Cursor::new(&bytes)).unwrap();
        assert_eq!(machine.parts(value).unwrap().len(), 2);
    }
}

//! Typed reading of located values. A [`Reader`] refuses unknown keys before anything else, so that a misspelt key is
//! called that and not "missing".

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a value of any other kind is refused, whichever kinds there are"
)]

use super::value::{Item, Table, Value};
use crate::error::RungError;
use crate::place::Place;
use crate::shown::shown;
use crate::suggest;

/// Keys that Keras knows and a rung does not, with what to write instead. The first column is the table or layer that
/// the remedy is for, or empty for any.
const KERAS_ONLY: &[(&str, &str, &str)] = &[
    (
        "SeparableConv2D",
        "kernel_initializer",
        "write `depthwise_initializer` and `pointwise_initializer`",
    ),
    (
        "DepthwiseConv2D",
        "kernel_initializer",
        "write `depthwise_initializer`",
    ),
    ("LeakyReLU", "alpha", "write `negative_slope`"),
    ("[optimizer]", "lr", "write `learning_rate`"),
    (
        "[optimizer]",
        "clipvalue",
        "write `clipnorm` or `global_clipnorm`",
    ),
    (
        "[augmentation]",
        "rescale",
        "leave it out, because photos are already in [0, 1]",
    ),
    (
        "[augmentation]",
        "validation_split",
        "write `validation` in [split]",
    ),
    ("the rung", "epochs", "write it in [training]"),
    ("the rung", "batch_size", "write it in [training]"),
    ("the rung", "learning_rate", "write it in [optimizer]"),
    ("the rung", "kernel_initializer", "write it in [defaults]"),
    (
        "",
        "data_format",
        "leave it out, because maps are always channels-last",
    ),
    (
        "",
        "dilation_rate",
        "leave it out, because convolutions here are not dilated",
    ),
    ("", "groups", "leave it out, because only Conv2D has groups"),
    (
        "",
        "axis",
        "leave it out, because it is always that of the channels",
    ),
    ("", "kernel_regularizer", "write `weight_decay` in [optimizer]"),
    ("", "bias_regularizer", "write `weight_decay` in [optimizer]"),
    (
        "",
        "interpolation",
        "leave it out, because photos are always resampled bilinearly",
    ),
    ("", "input_shape", "write `size` in [input]"),
    ("", "seed", "leave it out, and give --seed when training"),
    ("", "amsgrad", "leave it out, because only plain Adam is offered"),
];

/// A table whose keys are all known.
pub(super) struct Reader<'a> {
    table: &'a Table,
    /// What errors call it: a layer's kind, or `[optimizer]`.
    within: &'a str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(table: &'a Table, within: &'a str, known: &[&str]) -> Result<Self, RungError> {
        match table
            .entries
            .iter()
            .find(|entry| !known.contains(&entry.key.as_str()))
        {
            None => Ok(Reader { table, within }),
            Some(entry) => Err(RungError::UnknownKey {
                place: entry.item.place.clone(),
                key: shown(&entry.key),
                within: within.to_owned(),
                remedy: remedy(&entry.key, within, known),
            }),
        }
    }

    pub(super) fn field(&self, key: &'static str) -> Option<Field<'a>> {
        self.table.get(key).map(|item| Field {
            key,
            within: self.within,
            item,
        })
    }

    /// The value, where the key is there.
    pub(super) fn optional<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&Field<'a>) -> Result<T, RungError>,
    ) -> Result<Option<T>, RungError> {
        self.field(key).map(|field| read(&field)).transpose()
    }

    /// The value, or what stands for it where the key is not there.
    pub(super) fn or<T>(
        &self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Field<'a>) -> Result<T, RungError>,
    ) -> Result<T, RungError> {
        Ok(self.optional(key, read)?.unwrap_or(default))
    }

    /// The value of a key that must be there; `example` shows how to write it.
    pub(super) fn required<T>(
        &self,
        key: &'static str,
        example: &'static str,
        read: impl FnOnce(&Field<'a>) -> Result<T, RungError>,
    ) -> Result<T, RungError> {
        self.optional(key, read)?.ok_or_else(|| RungError::MissingKey {
            place: self.table.place.clone(),
            within: self.within.to_owned(),
            key,
            example,
        })
    }

    /// Refuses two keys that say the same thing.
    pub(super) fn at_most_one(&self, first: &'static str, second: &'static str) -> Result<(), RungError> {
        match (self.table.get(first), self.table.get(second)) {
            (Some(_), Some(item)) => Err(RungError::Both {
                place: item.place.clone(),
                within: self.within.to_owned(),
                first,
                second,
            }),
            _ => Ok(()),
        }
    }
}

fn remedy(key: &str, within: &str, known: &[&str]) -> String {
    let elsewhere = KERAS_ONLY
        .iter()
        .find(|(of, name, _)| *name == key && (of.is_empty() || *of == within));
    if let Some((_, _, remedy)) = elsewhere {
        return (*remedy).to_owned();
    }
    match suggest::nearest(key, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.len() == 1 => format!("the only key is `{}`", known[0]),
        None => format!("known keys are {}", known.join(", ")),
    }
}

/// Bounds of a number, and how an error puts them.
#[derive(Clone, Copy)]
pub(super) struct Range {
    contains: fn(f32) -> bool,
    words: &'static str,
}

impl Range {
    pub(super) const POSITIVE: Range = Range {
        contains: |n| n > 0.0,
        words: "greater than 0",
    };
    pub(super) const NOT_NEGATIVE: Range = Range {
        contains: |n| n >= 0.0,
        words: "0 or more",
    };
    /// [0, 1]
    pub(super) const SHARE: Range = Range {
        contains: |n| (0.0..=1.0).contains(&n),
        words: "from 0 to 1",
    };
    /// (0, 1]
    pub(super) const PART: Range = Range {
        contains: |n| n > 0.0 && n <= 1.0,
        words: "greater than 0, and at most 1",
    };
    /// [0, 1)
    pub(super) const BELOW_ONE: Range = Range {
        contains: |n| (0.0..1.0).contains(&n),
        words: "from 0 up to, but not including, 1",
    };
    /// (0, 1)
    pub(super) const BETWEEN: Range = Range {
        contains: |n| n > 0.0 && n < 1.0,
        words: "between 0 and 1, both excluded",
    };
    /// [-1, 1]
    pub(super) const FACTOR: Range = Range {
        contains: |n| (-1.0..=1.0).contains(&n),
        words: "from -1 to 1",
    };
    /// (-1, 1]: a zoom by -1 would shrink what is seen to nothing.
    pub(super) const ZOOM: Range = Range {
        contains: |n| n > -1.0 && n <= 1.0,
        words: "greater than -1, and at most 1",
    };
    /// [-0.5, 0.5]
    pub(super) const HUE: Range = Range {
        contains: |n| (-0.5..=0.5).contains(&n),
        words: "from -0.5 to 0.5",
    };
    /// Finite, which every number is that is read.
    pub(super) const ANY: Range = Range {
        contains: |_| true,
        words: "that is finite",
    };
}

fn within([low, high]: [f32; 2], range: Range) -> bool {
    low <= high && (range.contains)(low) && (range.contains)(high)
}

/// What Keras makes of one number where an interval is meant.
#[derive(Clone, Copy)]
pub(super) struct Spread {
    apply: fn(f32) -> [f32; 2],
    words: &'static str,
}

impl Spread {
    pub(super) const BOTH_WAYS: Spread = Spread {
        apply: |number| [-number, number],
        words: "one number f for [-f, f]",
    };
    pub(super) const BOTH_ENDS: Spread = Spread {
        apply: |number| [number, number],
        words: "one number f for [f, f]",
    };
    pub(super) const AROUND_ONE: Spread = Spread {
        apply: |number| [1.0 - number, 1.0 + number],
        words: "one number f for [1 - f, 1 + f]",
    };
    pub(super) const AROUND_ONE_FROM_ZERO: Spread = Spread {
        apply: |number| [(1.0 - number).max(0.0), 1.0 + number],
        words: "one number f for [1 - f, 1 + f], but not below 0",
    };
}

/// The value of a key.
pub(super) struct Field<'a> {
    pub(super) key: &'static str,
    pub(super) within: &'a str,
    pub(super) item: &'a Item,
}

impl<'a> Field<'a> {
    pub(super) fn place(&self) -> &'a Place {
        &self.item.place
    }

    pub(super) fn wrong(&self, expected: impl Into<String>) -> RungError {
        RungError::WrongValue {
            place: self.item.place.clone(),
            key: self.key.to_owned(),
            within: self.within.to_owned(),
            expected: expected.into(),
            found: self.item.value.describe(),
        }
    }

    /// Text that can be shown: rungs are printed, and control characters would move a terminal's cursor.
    pub(super) fn text(&self) -> Result<&'a str, RungError> {
        match &self.item.value {
            Value::Text(text) if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') => {
                Err(self.wrong("text without control characters"))
            }
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong("text in quotes")),
        }
    }

    pub(super) fn flag(&self) -> Result<bool, RungError> {
        match self.item.value {
            Value::Boolean(flag) => Ok(flag),
            _ => Err(self.wrong("true or false")),
        }
    }

    /// A whole number from `least` to `most`.
    pub(super) fn count(&self, least: usize, most: usize) -> Result<usize, RungError> {
        let count = as_count(&self.item.value).filter(|count| (least..=most).contains(count));
        count.ok_or_else(|| self.wrong(format!("a whole number from {least} to {most}")))
    }

    /// One whole number for both axes, or a list of height and width.
    pub(super) fn sides(&self, most: usize) -> Result<[usize; 2], RungError> {
        let sides = match &self.item.value {
            Value::List(items) => match items.as_slice() {
                [height, width] => as_count(&height.value).zip(as_count(&width.value)),
                _ => None,
            },
            value => as_count(value).map(|side| (side, side)),
        };
        match sides {
            Some((height, width)) if (1..=most).contains(&height) && (1..=most).contains(&width) => {
                Ok([height, width])
            }
            _ => Err(self.wrong(format!(
                "a whole number from 1 to {most}, or a list of two: [height, width]"
            ))),
        }
    }

    pub(super) fn number(&self, range: Range) -> Result<f32, RungError> {
        let number = as_number(&self.item.value).filter(|&number| (range.contains)(number));
        number.ok_or_else(|| self.wrong(format!("a number {}{}", range.words, self.limit())))
    }

    /// What is to be said of a number whose size is the trouble.
    fn limit(&self) -> &'static str {
        let size = match self.item.value {
            Value::Integer(number) => (number as f64).abs(),
            Value::Float(number) => number.abs(),
            _ => 0.0,
        };
        match size > f64::from(LARGEST) {
            true => ", no further from 0 than 1e18",
            false => "",
        }
    }

    /// One number, or a list of them.
    pub(super) fn numbers(&self, range: Range) -> Result<Vec<f32>, RungError> {
        let numbers = match &self.item.value {
            Value::List(items) => items.iter().map(|item| as_number(&item.value)).collect(),
            value => as_number(value).map(|number| vec![number]),
        };
        let numbers = numbers.filter(|numbers: &Vec<f32>| {
            !numbers.is_empty() && numbers.iter().all(|&number| (range.contains)(number))
        });
        numbers.ok_or_else(|| {
            self.wrong(format!(
                "a number {}, or a list of one for each channel",
                range.words
            ))
        })
    }

    /// A list of a lower and an upper bound, or one number from which `spread` makes them.
    pub(super) fn interval(&self, range: Range, spread: Spread) -> Result<[f32; 2], RungError> {
        let one = as_number(&self.item.value)
            .filter(|&number| number >= 0.0)
            .map(spread.apply);
        let interval = one
            .filter(|&interval| within(interval, range))
            .or_else(|| self.pair(range));
        interval.ok_or_else(|| {
            self.wrong(format!(
                "{}, or a list [low, high] of numbers {}",
                spread.words, range.words
            ))
        })
    }

    /// A list of a lower and an upper bound.
    pub(super) fn bounds(&self, range: Range) -> Result<[f32; 2], RungError> {
        self.pair(range)
            .ok_or_else(|| self.wrong(format!("a list [low, high] of numbers {}", range.words)))
    }

    fn pair(&self, range: Range) -> Option<[f32; 2]> {
        let Value::List(items) = &self.item.value else {
            return None;
        };
        let [low, high] = items.as_slice() else {
            return None;
        };
        let pair = [as_number(&low.value)?, as_number(&high.value)?];
        within(pair, range).then_some(pair)
    }

    /// One of a list of names.
    pub(super) fn choice<T: Copy>(&self, what: &'static str, names: &[(&str, T)]) -> Result<T, RungError> {
        let Value::Text(name) = &self.item.value else {
            return Err(self.wrong(format!("one of {}", listed(names))));
        };
        match names.iter().find(|(known, _)| known == name) {
            Some((_, value)) => Ok(*value),
            None => Err(self.unknown(what, name, names)),
        }
    }

    pub(super) fn unknown<T>(&self, what: &'static str, name: &str, names: &[(&str, T)]) -> RungError {
        let remedy = match suggest::nearest(name, names.iter().map(|(name, _)| *name)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", listed(names)),
        };
        RungError::UnknownName {
            place: self.place().clone(),
            what,
            name: shown(name),
            remedy,
        }
    }

    pub(super) fn table(&self, expected: impl Into<String>) -> Result<&'a Table, RungError> {
        match &self.item.value {
            Value::Table(table) => Ok(table),
            _ => Err(self.wrong(expected)),
        }
    }

    /// A list of texts.
    pub(super) fn texts(&self) -> Result<Vec<String>, RungError> {
        let Value::List(items) = &self.item.value else {
            return Err(self.wrong("a list of texts"));
        };
        let texts = items.iter().map(|item| match &item.value {
            Value::Text(_) => Field { item, ..*self }.text().map(str::to_owned),
            _ => Err(Field { item, ..*self }.wrong("a list of texts")),
        });
        texts.collect()
    }
}

fn listed<T>(names: &[(&str, T)]) -> String {
    names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// A whole number from 0 on.
pub(super) fn as_count(value: &Value) -> Option<usize> {
    match value {
        Value::Integer(number) => usize::try_from(*number).ok(),
        _ => None,
    }
}

/// The largest number that is read: the square of any beyond it is infinite in 32 bits, and nothing is trained by such a one.
const LARGEST: f32 = 1e18;

/// Not too large, also after rounding to 32 bits.
fn as_number(value: &Value) -> Option<f32> {
    let number = match value {
        Value::Integer(number) => *number as f32,
        Value::Float(number) => *number as f32,
        _ => return None,
    };
    (number.abs() <= LARGEST).then_some(number)
}

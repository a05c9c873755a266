//! The `[[phase]]` tables in the file.

use super::reader::{Field, Range, Reader};
use super::start::read_frozen;
use super::training::BATCH_LIMIT;
use super::value::{Item, Table, Value};
use crate::error::RungError;
use crate::graph::SIZE_LIMIT;
use crate::image_size::ImageSize;
use crate::training::Phase;

/// Most phases: each takes at least an epoch.
const PHASE_LIMIT: usize = 1000;

const EXPECTED: &str =
    "up to 1000 tables, [[phase]] with until = 0.3 and size = 64, whose `until` rises to 1 in the last one";

/// The phases of a rung whose input is of this size and whose layers have these names.
pub(super) fn read(field: &Field<'_>, input: ImageSize, layers: &[String]) -> Result<Vec<Phase>, RungError> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all other values are refused alike"
    )]
    let items = match &field.item.value {
        Value::List(items) if items.len() <= PHASE_LIMIT => items,
        _ => return Err(field.wrong(EXPECTED)),
    };
    let table = |item| Field { item, ..*field }.table(EXPECTED);
    let phases = items.iter().map(|item| read_phase(table(item)?, input, layers));
    let phases = phases.collect::<Result<Vec<Phase>, RungError>>()?;
    let rises = phases.windows(2).all(|pair| pair[0].until < pair[1].until);
    match phases.last() {
        Some(last) if !rises || last.until != 1.0 => Err(field.wrong(EXPECTED)),
        Some(_) | None => Ok(phases),
    }
}

fn read_phase(table: &Table, input: ImageSize, layers: &[String]) -> Result<Phase, RungError> {
    let reader = Reader::new(table, "[[phase]]", &["until", "size", "batch_size", "frozen"])?;
    let until = "until = 0.3, the share of the epochs at which the phase ends";
    Ok(Phase {
        until: reader.required("until", until, |field| field.number(Range::SHARE))?,
        size: reader.or("size", input, |field| {
            field.sides(SIZE_LIMIT).map(ImageSize::from)
        })?,
        batch_size: reader.optional("batch_size", |field| field.count(1, BATCH_LIMIT))?,
        frozen: reader.optional("frozen", |field| read_frozen(field, layers))?,
    })
}

pub(super) fn write(phases: &[Phase]) -> Value {
    let item = |phase: &Phase| {
        let mut table = Table::default();
        table.put("until", phase.until);
        table.put("size", phase.size);
        if let Some(batch_size) = phase.batch_size {
            table.put("batch_size", batch_size);
        }
        if let Some(frozen) = &phase.frozen {
            table.put("frozen", frozen.name());
        }
        Item {
            value: Value::Table(table.clone()),
            place: table.place,
        }
    };
    Value::List(phases.iter().map(item).collect())
}

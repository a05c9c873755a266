//! The photos that remain when those that were found to harm a training are left out ([`Kept`]), as a table that a training takes.

use std::io::Write;

use stepladder_data::{Dataset, Part};

use crate::finding::{FindingKind, is_blank, is_tiny, kind_of};
use crate::inspection::Inspection;

/// Which photos to keep.
///
/// Left out are: files that cannot be read; all copies of a picture under several labels; all but the first of equal files; of a picture in
/// several parts, what is not in the last of train, validation, test; and photos that are blank or much smaller than the others.
/// Nearly equal copies in one class and part stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Photo numbers, sorted.
    pub photos: Vec<u32>,
    /// How many readable photos are left out.
    pub left_out: usize,
}

impl Kept {
    /// Decides by what was found.
    pub fn new(dataset: &Dataset, inspection: &Inspection) -> Self {
        let looks = &inspection.looks;
        let typical = inspection.statistics.short_side.median;
        let narrow = inspection
            .findings
            .iter()
            .any(|finding| finding.kind == FindingKind::NarrowLevels);
        let mut keep: Vec<bool> = looks
            .iter()
            .map(|look| {
                look.as_ref()
                    .is_some_and(|look| !is_blank(look, narrow) && !is_tiny(look, typical))
            })
            .collect();
        let part = |number: u32| dataset.photos[number as usize].part;
        let content = |number: u32| looks[number as usize].as_ref().map(|look| look.content);
        for group in &inspection.groups {
            let two_labels = kind_of(group, dataset) == FindingKind::TwoLabels;
            let last: Option<Part> = group.photos.iter().map(|&number| part(number)).max().flatten();
            let mut seen = Vec::new();
            for &number in &group.photos {
                let again = seen.contains(&content(number));
                if two_labels || part(number) != last || again {
                    keep[number as usize] = false;
                } else {
                    seen.push(content(number));
                }
            }
        }
        let photos: Vec<u32> = (0..)
            .zip(&keep)
            .filter(|(_, keep)| **keep)
            .map(|(number, _)| number)
            .collect();
        Self {
            left_out: inspection.statistics.photos - photos.len(),
            photos,
        }
    }

    /// Writes a table with the columns `file` and `class`, `split` where the data declares parts, and `group` where it has groups. `delimiter` is `,` or a tab.
    pub fn write(&self, dataset: &Dataset, delimiter: u8, out: impl Write) -> std::io::Result<()> {
        let mut table = csv::WriterBuilder::new().delimiter(delimiter).from_writer(out);
        let parts = dataset.declares_parts();
        let groups = dataset.photos.iter().any(|photo| photo.group.is_some());
        let row = |file, class, part, group| {
            let more = [(parts, part), (groups, group)].into_iter();
            [file, class]
                .into_iter()
                .chain(more.filter_map(|(is_there, cell)| is_there.then_some(cell)))
        };
        table.write_record(row("file", "class", "split", "group"))?;
        for &number in &self.photos {
            let photo = &dataset.photos[number as usize];
            let class = dataset
                .classes
                .get(photo.class as usize)
                .map_or("", String::as_str);
            let part = photo.part.map_or("", Part::name);
            let group = photo.group.as_deref().unwrap_or_default();
            table.write_record(row(photo.name.as_str(), class, part, group))?;
        }
        table.flush()
    }
}

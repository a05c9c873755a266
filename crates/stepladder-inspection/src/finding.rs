//! What is wrong with a set, one [`Finding`] for each kind of trouble, with the photos concerned and what to do.

use serde::Serialize;
use stepladder_data::{Dataset, Part};

use crate::concern::narrow_levels;
use crate::duplicates::Group;
use crate::fingerprint::SMALLEST_SIDE;
use crate::look::Look;
use crate::remark::advice;
use crate::statistics::Statistics;
use crate::words::count;

/// One kind of trouble.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Which.
    pub kind: FindingKind,
    /// Whether a training suffers from it, rather than it being worth knowing.
    pub serious: bool,
    /// What was found, in one sentence.
    pub what: String,
    /// What to do about it.
    pub advice: String,
    /// The photos concerned: copies of one photo together, others each alone.
    pub groups: Vec<Vec<Member>>,
}

/// The kinds of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// How the names of folders and files were read.
    Names,
    /// The same photo in several parts.
    Leak,
    /// The same photo in several classes.
    TwoLabels,
    /// Files set aside: unreadable, or no photos.
    SetAside,
    /// Classes with very few photos, or none.
    SmallClass,
    /// The largest class is many times the smallest.
    Imbalance,
    /// Equal files.
    ExactDuplicates,
    /// Photos that show the same.
    NearDuplicates,
    /// Values of more than 8 bits of which a small part is used.
    NarrowLevels,
    /// One color and nothing else.
    Blank,
    /// Much smaller than the others.
    Tiny,
    /// Long strips, of which the network sees the middle.
    Strip,
}

/// A photo of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Its name in the data, safe to print.
    pub file: String,
    /// Its class; null for a file that was set aside before it had one.
    pub class: Option<String>,
    /// Its part, where the data declares one.
    pub part: Option<Part>,
    /// Why it was set aside, or its size.
    pub note: Option<String>,
    /// Its number, to find its pixels again.
    #[serde(skip)]
    pub number: Option<u32>,
}

/// Photos below which a class is said to be small.
pub(crate) const FEW: usize = 10;
/// The ratio of class sizes that is mentioned, and the one that is serious.
const UNEVEN: f64 = 3.0;
pub(crate) const VERY_UNEVEN: f64 = 10.0;
/// Standard deviation of all channels, in levels of 255, below which a photo is blank.
const BLANK: f64 = 2.0;
/// As `RgbPhoto::fit` has it: longer photos lose their ends.
const STRIP: f64 = 4.0;

/// What the findings are drawn from.
pub(crate) struct Evidence<'a> {
    pub(crate) dataset: &'a Dataset,
    pub(crate) looks: &'a [Option<Look>],
    pub(crate) reasons: &'a [(u32, String)],
    pub(crate) groups: &'a [Group],
    pub(crate) statistics: &'a Statistics,
}

/// Which photos are blank. Where the levels of a set are `narrow`, its photos of more than 8 bits only seem to be.
pub(crate) fn is_blank(look: &Look, narrow: bool) -> bool {
    !(narrow && look.color.is_deep()) && look.deviation().iter().all(|&deviation| deviation < BLANK)
}

/// Which photos are much smaller than the others, where the median short side is `typical`.
pub(crate) fn is_tiny(look: &Look, typical: f64) -> bool {
    look.short_side() < SMALLEST_SIDE && f64::from(look.short_side()) * 2.0 <= typical
}

/// What kind of trouble a group of copies is.
pub(crate) fn kind_of(group: &Group, dataset: &Dataset) -> FindingKind {
    let photo = |number: u32| &dataset.photos[number as usize];
    let first = photo(group.photos[0]);
    if group
        .photos
        .iter()
        .any(|&number| photo(number).class != first.class)
    {
        FindingKind::TwoLabels
    } else if group
        .photos
        .iter()
        .any(|&number| photo(number).part != first.part)
    {
        FindingKind::Leak
    } else if group.exact {
        FindingKind::ExactDuplicates
    } else {
        FindingKind::NearDuplicates
    }
}

impl Evidence<'_> {
    /// All findings, the serious ones first.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let narrow_levels = self.narrow_levels();
        let narrow = narrow_levels.is_some();
        let mut findings: Vec<Finding> = [
            self.copies(FindingKind::Leak),
            self.copies(FindingKind::TwoLabels),
            self.set_aside(),
            narrow_levels,
            self.small_classes(),
            self.imbalance(),
            self.copies(FindingKind::ExactDuplicates),
            self.copies(FindingKind::NearDuplicates),
            self.blank(narrow),
            self.tiny(narrow),
            self.strips(),
        ]
        .into_iter()
        .flatten()
        .chain(self.names())
        .collect();
        findings.sort_by_key(|finding| !finding.serious);
        findings
    }

    fn member(&self, number: u32, note: Option<String>) -> Member {
        let photo = &self.dataset.photos[number as usize];
        Member {
            file: photo.name.clone(),
            class: self.dataset.classes.get(photo.class as usize).cloned(),
            part: photo.part,
            note,
            number: Some(number),
        }
    }

    fn names(&self) -> impl Iterator<Item = Finding> {
        let remarks = self.dataset.remarks.iter();
        remarks.filter_map(|remark| {
            Some(Finding {
                kind: FindingKind::Names,
                serious: remark.is_warning(),
                what: remark.to_string(),
                advice: String::from(advice(remark)?),
                groups: Vec::new(),
            })
        })
    }

    fn copies(&self, kind: FindingKind) -> Option<Finding> {
        let groups: Vec<Vec<Member>> = self
            .groups
            .iter()
            .filter(|group| kind_of(group, self.dataset) == kind)
            .map(|group| {
                group
                    .photos
                    .iter()
                    .map(|&number| self.member(number, None))
                    .collect()
            })
            .collect();
        if groups.is_empty() {
            return None;
        }
        let photos = groups.iter().map(Vec::len).sum::<usize>();
        let pictures = count(groups.len(), "picture");
        let (serious, what, advice) = match kind {
            FindingKind::Leak => (
                true,
                format!(
                    "{pictures} in more than one part, in {photos} files: the figures of a part that shares photos with training are too good"
                ),
                "keep each picture in one part; --fix leaves it in the test part alone",
            ),
            FindingKind::TwoLabels => (
                true,
                format!("{pictures} under more than one label, in {photos} files"),
                "delete those that are wrong; --fix leaves all of them out, as nothing says which label is right",
            ),
            FindingKind::ExactDuplicates => (
                false,
                format!(
                    "{pictures} in equal copies, {photos} files: a split by content keeps copies together, but they count more than once"
                ),
                "--fix keeps one of each",
            ),
            _ => (
                false,
                format!(
                    "{pictures} in nearly equal copies, {photos} files: encoded anew, resized, turned, mirrored, or taken twice"
                ),
                "train with --group-duplicates, which keeps copies in one part of the split",
            ),
        };
        Some(Finding {
            kind,
            serious,
            what,
            advice: String::from(advice),
            groups,
        })
    }

    fn set_aside(&self) -> Option<Finding> {
        let listed = self.dataset.skipped.iter().map(|skipped| Member {
            file: skipped.name.clone(),
            class: None,
            part: None,
            note: Some(skipped.reason.clone()),
            number: None,
        });
        let read = self
            .reasons
            .iter()
            .map(|(number, reason)| self.member(*number, Some(reason.clone())));
        let mut groups: Vec<Vec<Member>> = read.chain(listed).map(|member| vec![member]).collect();
        groups.sort_by(|a, b| a[0].file.cmp(&b[0].file));
        if groups.is_empty() {
            return None;
        }
        Some(Finding {
            kind: FindingKind::SetAside,
            serious: !self.reasons.is_empty(),
            what: format!("{} cannot be used", count(groups.len(), "file")),
            advice: String::from(
                "nothing has to be done: they are left out of every training; replace those that should be photos",
            ),
            groups,
        })
    }

    fn narrow_levels(&self) -> Option<Finding> {
        let (what, advice) = narrow_levels(self.dataset)?;
        Some(Finding {
            kind: FindingKind::NarrowLevels,
            serious: true,
            what,
            advice,
            groups: Vec::new(),
        })
    }

    fn small_classes(&self) -> Option<Finding> {
        let small: Vec<String> = self
            .statistics
            .classes
            .iter()
            .filter(|class| class.photos < FEW)
            .map(|class| format!("{} ({})", class.class, class.photos))
            .collect();
        if small.is_empty() {
            return None;
        }
        Some(Finding {
            kind: FindingKind::SmallClass,
            serious: true,
            what: format!(
                "{} with fewer than {FEW} photos: {}",
                count(small.len(), "class"),
                small.join(", ")
            ),
            advice: String::from(
                "add photos, or move the folder away; so few teach little, and their test part holds one or none",
            ),
            groups: Vec::new(),
        })
    }

    fn imbalance(&self) -> Option<Finding> {
        let ratio = self.statistics.imbalance;
        if ratio < UNEVEN {
            return None;
        }
        let filled = self.statistics.classes.iter().filter(|class| class.photos > 0);
        let largest = filled.clone().max_by_key(|class| class.photos)?;
        let smallest = filled.min_by_key(|class| class.photos)?;
        Some(Finding {
            kind: FindingKind::Imbalance,
            serious: ratio >= VERY_UNEVEN,
            what: format!(
                "{} has {ratio:.0} times as many photos as {} ({} and {})",
                largest.class, smallest.class, largest.photos, smallest.photos
            ),
            advice: String::from("train with --class-weights balanced, and look at each class's own recall"),
            groups: Vec::new(),
        })
    }

    /// A finding of single photos.
    fn alone(
        &self,
        kind: FindingKind,
        is: impl Fn(&Look) -> bool,
        what: impl Fn(&str) -> String,
        advice: &str,
    ) -> Option<Finding> {
        let groups: Vec<Vec<Member>> = self
            .looks
            .iter()
            .zip(0..)
            .filter_map(|(look, number)| {
                let look = look.as_ref().filter(|look| is(look))?;
                Some(vec![self.member(
                    number,
                    Some(format!("{} x {} px", look.width, look.height)),
                )])
            })
            .collect();
        let photos = count(groups.len(), "photo");
        (!groups.is_empty()).then(|| Finding {
            kind,
            serious: false,
            what: what(&photos),
            advice: String::from(advice),
            groups,
        })
    }

    fn blank(&self, narrow: bool) -> Option<Finding> {
        self.alone(
            FindingKind::Blank,
            |look| is_blank(look, narrow),
            |photos| format!("{photos} of one color and nothing else"),
            "look whether the camera or the download failed; --fix leaves them out",
        )
    }

    fn tiny(&self, narrow: bool) -> Option<Finding> {
        let typical = self.statistics.short_side.median;
        self.alone(
            FindingKind::Tiny,
            |look| is_tiny(look, typical) && !is_blank(look, narrow),
            |photos| format!("{photos} much smaller than the others (half of them have a short side of {typical:.0} px or more)"),
            "look whether they are thumbnails or icons; --fix leaves them out",
        )
    }

    fn strips(&self) -> Option<Finding> {
        self.alone(
            FindingKind::Strip,
            |look| look.elongation() > STRIP,
            |photos| format!("{photos} more than four times as long as wide; the network sees the middle"),
            "cut out what matters",
        )
    }
}

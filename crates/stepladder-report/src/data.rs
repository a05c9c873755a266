//! What a run was trained on: photos of each class and part, and what an inspection finds in them.

use crate::facts::{ClassCounts, DataFacts, FoundPhoto};
use crate::gather::OwnPhotos;
use crate::picture;
use stepladder_inspection::Member;

/// Groups of a finding that are shown, and photos of each.
const GROUPS: usize = 6;
const MEMBERS: usize = 4;

/// The facts of a run's photos.
pub(crate) fn data(photos: &OwnPhotos<'_>) -> DataFacts {
    let names = photos.classifier.classes();
    let mut classes: Vec<ClassCounts> = names
        .iter()
        .map(|class| ClassCounts {
            class: class.clone(),
            train: 0,
            validation: 0,
            test: 0,
        })
        .collect();
    let split = photos.split;
    type Counter = fn(&mut ClassCounts) -> &mut usize;
    let parts: [(&[u32], Counter); 3] = [
        (&split.train, |class| &mut class.train),
        (&split.validation, |class| &mut class.validation),
        (&split.test, |class| &mut class.test),
    ];
    for (part, counter) in parts {
        for &photo in part.iter().filter(|&&photo| photos.store.is_readable(photo)) {
            let label = photos.labels.get(photo as usize);
            if let Some(class) = label.and_then(|&label| classes.get_mut(label as usize)) {
                *counter(class) += 1;
            }
        }
    }
    let found = |member: &Member| FoundPhoto {
        file: member.file.clone(),
        note: match (&member.note, &member.class) {
            (Some(note), _) => note.clone(),
            (None, class) => class.clone().unwrap_or_default(),
        },
        picture: member
            .number
            .and_then(|number| photos.store.photo(number).ok())
            .and_then(|photo| picture::small(&photo)),
    };
    let findings = photos.inspection.findings.clone();
    let shown = findings
        .iter()
        .map(|finding| {
            let groups = finding.groups.iter().take(GROUPS);
            groups
                .map(|group| group.iter().take(MEMBERS).map(found).collect())
                .collect()
        })
        .collect();
    DataFacts {
        classes,
        findings,
        shown,
    }
}

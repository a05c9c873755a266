//! An inspection as a page: what was found with thumbnails, each class with a sample, sizes and formats.

use std::collections::BTreeMap;

use image::codecs::jpeg::JpegEncoder;
use stepladder_data::{DataError, Dataset, Progress, RgbPhoto};
use stepladder_page::element::{Weight, data_uri, figures, gallery, groups, note, table, thumbnail};
use stepladder_page::svg::{bar, histogram};
use stepladder_page::{Kind, Markup, Page, html};

use crate::finding::{Finding, FindingKind, Member};
use crate::inspection::Inspection;
use crate::statistics::{Count, Quartiles, Statistics};
use crate::words::count;

/// The shorter side of a thumbnail.
const THUMBNAIL: u32 = 96;
const QUALITY: u8 = 78;
/// Groups of a finding that are shown with thumbnails, and photos of each; the rest is counted.
const GROUPS: usize = 24;
const MEMBERS: usize = 6;
/// Classes with samples, the samples of all of them, and of one.
const CLASSES: usize = 60;
const SAMPLES: usize = 300;
const SAMPLE: usize = 12;

/// A dozen samples in a row.
const STYLE: &str = "#samples .gallery { grid-template-columns: repeat(auto-fill, minmax(5rem, 1fr)); }";

/// The page of an inspection. Reads the photos that it shows once more.
pub fn page(
    dataset: &Dataset,
    inspection: &Inspection,
    threads: usize,
    progress: &dyn Progress,
) -> Result<String, DataError> {
    let samples = samples(dataset, inspection);
    let thumbnails = Thumbnails::read(dataset, inspection, &samples, threads, progress)?;
    let statistics = &inspection.statistics;
    let serious = inspection
        .findings
        .iter()
        .filter(|finding| finding.serious)
        .count();
    let lead = match (serious, inspection.findings.len()) {
        (0, 0) => String::from("Nothing was found that a training would suffer from."),
        (0, all) => format!(
            "{} worth knowing, nothing that has to be done.",
            count(all, "thing")
        ),
        (serious, _) => format!(
            "{} that should be looked at before training.",
            count(serious, "thing")
        ),
    };
    let page = Page::new(Kind::File, format!("Inspection of {}", dataset.name))
        .lead(lead)
        .style(STYLE)
        .section("overview", "Overview", overview(&inspection.data, statistics))
        .section("findings", "Findings", findings(inspection, &thumbnails))
        .section("classes", "Classes", classes(statistics))
        .section(
            "samples",
            "Samples",
            sample_sheets(dataset, &samples, &thumbnails),
        )
        .section("files", "Sizes and formats", files(statistics));
    Ok(page.render())
}

fn overview(data: &str, statistics: &Statistics) -> Markup {
    let size = |quartiles: &Quartiles| format!("{:.0} px", quartiles.median);
    html! {
        p class="soft" { (data) }
        (figures([
            ("Photos", statistics.photos.to_string()),
            ("Classes", statistics.classes.len().to_string()),
            ("Largest to smallest class", format!("{:.1} : 1", statistics.imbalance)),
            ("Typical short side", size(&statistics.short_side)),
            ("Size of all files", mebibytes(statistics.bytes)),
        ]))
    }
}

fn findings(inspection: &Inspection, thumbnails: &Thumbnails) -> Markup {
    html! {
        @if inspection.findings.is_empty() { (note(Weight::Good, "No finding.", html! {})) }
        @for finding in &inspection.findings { (finding_note(finding, thumbnails)) }
    }
}

fn finding_note(finding: &Finding, thumbnails: &Thumbnails) -> Markup {
    let weight = if finding.serious {
        Weight::Warning
    } else {
        Weight::Notice
    };
    let together = finding.groups.iter().any(|group| group.len() > 1);
    let shown = &finding.groups[..finding.groups.len().min(GROUPS)];
    let more = finding.groups.len() - shown.len();
    note(
        weight,
        &format!("{}.", finding.what),
        html! {
            p { "What to do: " (finding.advice) "." }
            @if finding.kind == FindingKind::SetAside { (set_aside(finding)) }
            @else if together {
                (groups(shown.iter().map(|group| {
                    let members = group.iter().take(MEMBERS).map(|member| thumbnails.figure(member));
                    let more = html! { @if group.len() > MEMBERS { p class="soft" { "and " (group.len() - MEMBERS) " more copies" } } };
                    (members.collect(), more)
                })))
            } @else if !shown.is_empty() {
                (gallery(shown.iter().flatten().map(|member| thumbnails.figure(member))))
            }
            @if more > 0 && finding.kind != FindingKind::SetAside {
                p class="soft" { "and " (more) " more, which --json lists" }
            }
        },
    )
}

/// Files without pixels: a table, folded where it is long.
fn set_aside(finding: &Finding) -> Markup {
    const LISTED: usize = 500;
    const OPEN: usize = 12;
    let rows: Vec<Vec<Markup>> = finding
        .groups
        .iter()
        .flatten()
        .take(LISTED)
        .map(|member| {
            vec![
                html! { (member.file) },
                html! { (member.note.as_deref().unwrap_or_default()) },
            ]
        })
        .collect();
    let list = table("Files that cannot be used", &["file", "reason"], &[], &rows);
    let more = finding.groups.len() - rows.len();
    html! {
        @if rows.len() <= OPEN { (list) } @else { details { summary { "All of them, with reasons" } (list) } }
        @if more > 0 { p class="soft" { "and " (more) " more, which --json lists" } }
    }
}

fn classes(statistics: &Statistics) -> Markup {
    let parts = statistics.classes.iter().any(|class| class.parts.is_some());
    let unreadable = statistics.classes.iter().any(|class| class.unreadable > 0);
    let most = statistics
        .classes
        .iter()
        .map(|class| class.photos)
        .max()
        .unwrap_or(0)
        .max(1);
    let mut heads = vec!["class", "photos", ""];
    if parts {
        heads.extend(["train", "validation", "test"]);
    }
    if unreadable {
        heads.push("unreadable");
    }
    let rows: Vec<Vec<Markup>> = statistics
        .classes
        .iter()
        .map(|class| {
            let mut row = vec![
                html! { (class.class) },
                html! { (class.photos) },
                bar(class.photos as f64 / most as f64),
            ];
            if parts {
                row.extend(class.parts.unwrap_or_default().map(|photos| html! { (photos) }));
            }
            if unreadable {
                row.push(html! { (class.unreadable) });
            }
            row
        })
        .collect();
    let numeric = [false, true, false, true, true, true, true];
    table("Readable photos of each class", &heads, &numeric, &rows)
}

fn sample_sheets(dataset: &Dataset, samples: &[Vec<u32>], thumbnails: &Thumbnails) -> Markup {
    html! {
        p class="soft" { "Photos of each class at even steps through its list." }
        @for (class, samples) in dataset.classes.iter().zip(samples) {
            @if !samples.is_empty() {
                h3 { (class) }
                (gallery(samples.iter().map(|&number| thumbnails.sample(number, class))))
            }
        }
        @if dataset.classes.len() > CLASSES {
            p class="soft" { "and " (dataset.classes.len() - CLASSES) " more classes" }
        }
    }
}

fn files(statistics: &Statistics) -> Markup {
    if statistics.photos == 0 {
        return html! { p class="soft" { "No photo can be read." } };
    }
    let columns = |counts: &[Count]| -> Vec<(String, u64)> {
        counts
            .iter()
            .map(|count| (count.kind.clone(), count.photos))
            .collect()
    };
    let quartiles = |name: &str, of: &Quartiles, show: &dyn Fn(f64) -> String| {
        let values = [of.min, of.lower, of.median, of.upper, of.max];
        let mut row = vec![html! { (name) }];
        row.extend(values.map(|value| html! { (show(value)) }));
        row
    };
    let whole = |value: f64| format!("{value:.0}");
    let rows = vec![
        quartiles("short side, px", &statistics.short_side, &whole),
        quartiles("long side, px", &statistics.long_side, &whole),
        quartiles("width : height", &statistics.aspect, &|value| {
            format!("{value:.2}")
        }),
        quartiles("beyond the central square", &statistics.beyond_square, &|value| {
            format!("{:.0}%", value * 100.0)
        }),
        quartiles("file, KiB", &statistics.file_bytes, &|value| {
            format!("{:.0}", value / 1024.0)
        }),
    ];
    let counts = |caption: &str, counts: &[Count]| {
        let rows: Vec<Vec<Markup>> = counts
            .iter()
            .map(|count| vec![html! { (count.kind) }, html! { (count.photos) }])
            .collect();
        table(caption, &["", "photos"], &[false, true], &rows)
    };
    let channel = |name: &str, c: usize| {
        let value = |value: f64| html! { (format!("{value:.3}")) };
        vec![
            html! { (name) },
            value(statistics.mean[c]),
            value(statistics.deviation[c]),
        ]
    };
    html! {
        div class="columns" {
            (histogram("Short sides", &columns(&statistics.short_sides)))
            (histogram("Shapes, from tall to wide", &columns(&statistics.shapes)))
        }
        (table("Half of the photos lie between the lower and the upper quarter", &["", "least", "lower", "median", "upper", "most"],
            &[false, true, true, true, true, true], &rows))
        div class="columns" {
            (counts("File formats, by content", &statistics.formats))
            (counts("How the files store color", &statistics.colors))
            (table("Color of the photos, on a scale of 0 to 1", &["channel", "mean", "deviation"], &[false, true, true],
                &[channel("red", 0), channel("green", 1), channel("blue", 2)]))
        }
    }
}

/// The photos of each class that are shown, at even steps.
fn samples(dataset: &Dataset, inspection: &Inspection) -> Vec<Vec<u32>> {
    let shown = dataset.classes.len().min(CLASSES);
    let each = (SAMPLES / shown.max(1)).clamp(4, SAMPLE);
    let mut photos: Vec<Vec<u32>> = vec![Vec::new(); shown];
    for ((photo, look), number) in dataset.photos.iter().zip(&inspection.looks).zip(0..) {
        if let (Some(_), Some(list)) = (look, photos.get_mut(photo.class as usize)) {
            list.push(number);
        }
    }
    photos
        .into_iter()
        .map(|list| {
            let count = list.len().min(each);
            (0..count).map(|place| list[place * list.len() / count]).collect()
        })
        .collect()
}

/// Small pictures by photo number.
struct Thumbnails {
    uris: BTreeMap<u32, String>,
    names: BTreeMap<u32, String>,
}

impl Thumbnails {
    fn read(
        dataset: &Dataset,
        inspection: &Inspection,
        samples: &[Vec<u32>],
        threads: usize,
        progress: &dyn Progress,
    ) -> Result<Self, DataError> {
        let found = inspection
            .findings
            .iter()
            .filter(|finding| finding.kind != FindingKind::SetAside)
            .flat_map(|finding| {
                finding
                    .groups
                    .iter()
                    .take(GROUPS)
                    .flat_map(|group| group.iter().take(MEMBERS).filter_map(|member| member.number))
            });
        let mut numbers: Vec<u32> = found.chain(samples.iter().flatten().copied()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let uris = dataset.scan_some(&numbers, threads, progress, |number, scanned| {
            // What has become unreadable since is shown by its name alone.
            Some((number, uri(&scanned.ok()?.photo)?))
        })?;
        let name = |number: u32| (number, dataset.photos[number as usize].name.clone());
        Ok(Self {
            uris: uris.into_iter().flatten().collect(),
            names: numbers.iter().map(|&number| name(number)).collect(),
        })
    }

    fn figure(&self, member: &Member) -> Markup {
        let details = [
            member.class.as_deref(),
            member.part.map(|part| part.name()),
            member.note.as_deref(),
        ];
        let details: Vec<&str> = details.into_iter().flatten().collect();
        // The whole name is in the alternative text, and where the pointer rests.
        let last = member.file.rsplit('/').next().unwrap_or(&member.file);
        let caption = html! {
            @if !details.is_empty() { strong { (details.join(", ")) } br; }
            span title=(member.file) { (last) }
        };
        self.picture(member.number, &member.file, caption)
    }

    fn sample(&self, number: u32, class: &str) -> Markup {
        let name = self.names.get(&number).map_or("", String::as_str);
        let last = name.rsplit('/').next().unwrap_or(name);
        self.picture(Some(number), &format!("{class}, {last}"), html! { (last) })
    }

    fn picture(&self, number: Option<u32>, alternative: &str, caption: Markup) -> Markup {
        match number.and_then(|number| self.uris.get(&number)) {
            Some(uri) => thumbnail(uri, alternative, caption),
            None => html! { p class="soft" { (caption) } },
        }
    }
}

/// A small JPEG of a photo as the address of a picture; of a panorama, its middle.
fn uri(photo: &RgbPhoto) -> Option<String> {
    let small = photo.fit(THUMBNAIL);
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode(
            small.pixels(),
            small.width(),
            small.height(),
            image::ExtendedColorType::Rgb8,
        )
        .ok()?;
    Some(data_uri("image/jpeg", &bytes))
}

fn mebibytes(bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    if mebibytes < 1024.0 {
        format!("{mebibytes:.1} MiB")
    } else {
        format!("{:.1} GiB", mebibytes / 1024.0)
    }
}

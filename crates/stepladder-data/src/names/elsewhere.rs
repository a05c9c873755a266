//! Names of the same photos in another place: what stays of them when a zip is unpacked, a folder is wrapped in another one, or a disk of
//! another system writes accents its way.

use super::nfc;

/// The names without the folders that they all have in common, in Unicode's composed form, in the same order.
pub fn names_elsewhere<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let common = common_folders(names.clone());
    names.map(|name| nfc(&name[common..]).into_owned()).collect()
}

/// The length of the folders that all names begin with, with the last slash.
fn common_folders<'a>(mut names: impl Iterator<Item = &'a str>) -> usize {
    let folders = |name: &str| name.rfind('/').map_or(0, |at| at + 1);
    let Some(first) = names.next() else { return 0 };
    let mut common = folders(first);
    for name in names {
        let same = first
            .bytes()
            .zip(name.bytes())
            .take_while(|(a, b)| a == b)
            .count();
        let same = &first.as_bytes()[..same.min(common)];
        common = same.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_folders_go_and_the_rest_stays() {
        let elsewhere = |names: &[&str]| names_elsewhere(names.iter().copied());
        assert_eq!(elsewhere(&["w/a/1.jpg", "w/b/1.jpg"]), ["a/1.jpg", "b/1.jpg"]);
        assert_eq!(elsewhere(&["wa/1.jpg", "wb/1.jpg"]), ["wa/1.jpg", "wb/1.jpg"]);
        assert_eq!(elsewhere(&["a/1.jpg", "2.jpg"]), ["a/1.jpg", "2.jpg"]);
        assert_eq!(elsewhere(&["ä/1.jpg", "å/1.jpg"]), ["ä/1.jpg", "å/1.jpg"]);
        assert!(elsewhere(&[]).is_empty());
    }
}

//! What a file is when it is not a photo that we decode, in words that tell the user what to do.

/// What `bytes`, the beginning or all of a file, are. Never empty; a phrase that can follow "is" or a colon.
pub(crate) fn describe(bytes: &[u8]) -> String {
    const KINDS: [(&[u8], &str); 22] = [
        (
            b"version https://git-lfs",
            "a Git LFS pointer, not the photo itself: run git lfs pull",
        ),
        (
            b"\0\0\0\x0cjP  ",
            "a JPEG 2000 picture, which is not supported; convert it to JPEG or PNG",
        ),
        (
            b"\xff\x4f\xff\x51",
            "a JPEG 2000 picture, which is not supported; convert it to JPEG or PNG",
        ),
        (
            b"\0\0\0\x0cJXL ",
            "a JPEG XL picture, which is not supported; convert it to JPEG or PNG",
        ),
        (
            b"\xff\x0a",
            "a JPEG XL picture, which is not supported; convert it to JPEG or PNG",
        ),
        (
            b"8BPS",
            "a Photoshop file, which is not supported; export it as JPEG or PNG",
        ),
        (
            b"gimp xcf",
            "a GIMP file, which is not supported; export it as JPEG or PNG",
        ),
        (b"%PDF", "a PDF file"),
        (b"PK\x03\x04", "a zip archive"),
        (b"PK\x05\x06", "an empty zip archive"),
        (
            b"Rar!",
            "a RAR archive, which is not supported; unpack it and give the folder",
        ),
        (
            b"7z\xbc\xaf\x27\x1c",
            "a 7z archive, which is not supported; unpack it and give the folder",
        ),
        (b"\x1f\x8b", "a gzip file; unpack it and give the folder"),
        (b"BZh", "a bzip2 file; unpack it and give the folder"),
        (b"\xfd7zXZ", "an xz file; unpack it and give the folder"),
        (
            b"\x28\xb5\x2f\xfd",
            "a Zstandard file; unpack it and give the folder",
        ),
        (b"\x7fELF", "a program"),
        (b"MZ", "a Windows program"),
        (b"\x89HDF", "an HDF5 file"),
        (b"\x93NUMPY", "a NumPy array"),
        (b"SQLite format 3", "a database"),
        (b"\0\0\x01\0", "a Windows icon, which is not supported"),
    ];
    if bytes.is_empty() {
        return String::from("an empty file");
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return iso_media(bytes.get(8..12).unwrap_or_default());
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return String::from("a tar archive, which is not supported; unpack it and give the folder");
    }
    if let Some((_, what)) = KINDS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return String::from(*what);
    }
    markup(bytes).unwrap_or_else(|| String::from("not a picture of any known kind"))
}

fn iso_media(brand: &[u8]) -> String {
    let kind = match brand {
        b"avif" | b"avis" => "an AVIF picture",
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1" => "a HEIC picture",
        _ => return String::from("a video or other media file, not a photo"),
    };
    format!("{kind}, which is not supported; convert it to JPEG or PNG")
}

/// HTML, SVG, XML and plain text.
fn markup(bytes: &[u8]) -> Option<String> {
    let head = &bytes[..bytes.len().min(1024)];
    // A multi-byte character may be cut at the end of the head.
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() => std::str::from_utf8(&head[..e.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let start = text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .to_ascii_lowercase();
    let what =
        if start.starts_with("<!doctype html") || start.starts_with("<html") || start.starts_with("<head") {
            "an HTML page, often an error page saved in place of the photo; download it again"
        } else if start.starts_with("<svg") || (start.starts_with("<?xml") && start.contains("<svg")) {
            "an SVG drawing, which is not supported; export it as PNG"
        } else if start.starts_with("<?xml") {
            "an XML file"
        } else if text.chars().all(|c| !c.is_control() || c.is_ascii_whitespace()) {
            "a text file"
        } else {
            return None;
        };
    Some(String::from(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_named_with_a_remedy() {
        for (bytes, words) in [
            (
                &b"version https://git-lfs.github.com/spec/v1\noid"[..],
                "git lfs pull",
            ),
            (b"<!DOCTYPE html><title>404", "HTML page"),
            (b"\xef\xbb\xbf <HTML>", "HTML page"),
            (b"<?xml version='1.0'?><svg xmlns=''>", "SVG"),
            (b"\0\0\0\x18ftypheic\0\0", "HEIC"),
            (b"\0\0\0\x20ftypavif\0\0", "AVIF"),
            (b"hello\nworld", "text file"),
            (b"\x01\x02\x03\x04", "not a picture"),
            (b"", "empty"),
        ] {
            assert!(describe(bytes).contains(words), "{words}: {}", describe(bytes));
        }
    }
}

//! What a file is when it is not a photo that we decode, in words that tell the user what to do.

/// What becomes of a picture of another format.
const CONVERT: &str = "which is not supported; convert it to JPEG or PNG";
const DEVELOP: &str = "which is not developed here; export JPEG or TIFF from the camera's program";
const EXPORT: &str = "which is not supported; export it as JPEG or PNG";
const SCIENCE: &str = "which is not supported; write its picture as 16-bit PNG or TIFF";
const UNPACK: &str = "which is not supported; unpack it and give the folder";
const FRAMES: &str = "not a photo; save its frames as JPEG, as ffmpeg does";

/// Beginnings of files, what they are, and what to do.
const KINDS: [(&[u8], &str, &str); 53] = [
    (
        b"version https://git-lfs",
        "a Git LFS pointer",
        "not the photo itself: run git lfs pull",
    ),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture", CONVERT),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture", CONVERT),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture", CONVERT),
    (b"\xff\x0a", "a JPEG XL picture", CONVERT),
    (b"II\xbc", "a JPEG XR picture", CONVERT),
    (b"qoif", "a QOI picture", CONVERT),
    (b"DDS ", "a DDS texture", CONVERT),
    (b"\x01\xda", "an SGI picture", CONVERT),
    (b"\x0a\x05\x01", "a PCX picture", CONVERT),
    (b"farbfeld", "a farbfeld picture", CONVERT),
    (b"BPG\xfb", "a BPG picture", CONVERT),
    (b"icns", "an Apple icon", CONVERT),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile", EXPORT),
    (b"8BPS", "a Photoshop file", EXPORT),
    (b"gimp xcf", "a GIMP file", EXPORT),
    (b"%PDF", "a PDF file", EXPORT),
    (b"%!PS", "a PostScript file", EXPORT),
    (b"\xc5\xd0\xd3\xc6", "a PostScript file", EXPORT),
    (b"AT&TFORM", "a DjVu file", EXPORT),
    (b"FUJIFILMCCD-RAW", "a camera's raw file (Fujifilm RAF)", DEVELOP),
    (b"IIRO", "a camera's raw file (Olympus ORF)", DEVELOP),
    (b"IIRS", "a camera's raw file (Olympus ORF)", DEVELOP),
    (b"MMOR", "a camera's raw file (Olympus ORF)", DEVELOP),
    (b"IIU\0", "a camera's raw file (Panasonic RW2)", DEVELOP),
    (b"FOVb", "a camera's raw file (Sigma X3F)", DEVELOP),
    (b"\0MRM", "a camera's raw file (Minolta MRW)", DEVELOP),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture", SCIENCE),
    (b"#?RADIANCE", "a Radiance HDR picture", SCIENCE),
    (b"SIMPLE  =", "a FITS file", SCIENCE),
    (b"ZISRAWFILE", "a microscope's file (CZI)", SCIENCE),
    (b"\xda\xce\xbe\x0a", "a microscope's file (ND2)", SCIENCE),
    (b"NRRD", "an NRRD volume", SCIENCE),
    (b"\x89HDF", "an HDF5 file", SCIENCE),
    (b"CDF\x01", "a NetCDF file", SCIENCE),
    (b"\x93NUMPY", "a NumPy array", SCIENCE),
    (b"\x1aE\xdf\xa3", "a video (Matroska or WebM)", FRAMES),
    (b"\0\0\x01\xba", "a video (MPEG)", FRAMES),
    (b"\0\0\x01\xb3", "a video (MPEG)", FRAMES),
    (b"FLV\x01", "a video (Flash)", FRAMES),
    (
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
        "a video (Windows Media)",
        FRAMES,
    ),
    (b"OggS", "a sound or a video (Ogg)", FRAMES),
    (
        b"PK\x03\x04",
        "a zip archive",
        "not a photo; unpack it into the folder",
    ),
    (b"PK\x05\x06", "an empty zip archive", "not a photo"),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (
        b"\x1f\x8b",
        "a gzip file",
        "which is not opened; unpack it and give the folder",
    ),
    (
        b"BZh",
        "a bzip2 file",
        "which is not opened; unpack it and give the folder",
    ),
    (
        b"\xfd7zXZ",
        "an xz file",
        "which is not opened; unpack it and give the folder",
    ),
    (
        b"\x28\xb5\x2f\xfd",
        "a Zstandard file",
        "which is not opened; unpack it and give the folder",
    ),
    (b"\xd0\xcf\x11\xe0", "an old Office file", "not a photo"),
    (b"SQLite format 3", "a database", "not a photo"),
    (b"\x7fELF", "a program", "not a photo"),
];

/// What `bytes`, the beginning or all of a file, are. Never empty; a phrase that can follow "is" or a colon.
pub(crate) fn describe(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return String::from("an empty file");
    }
    let behind = |at: usize, what: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(what));
    if behind(4, b"ftyp") {
        return iso_media(bytes);
    }
    if let Some((_, what, remedy)) = KINDS.iter().find(|(magic, ..)| bytes.starts_with(magic)) {
        return format!("{what}, {remedy}");
    }
    // Those that are known by what stands further on.
    let (what, remedy) = if behind(257, b"ustar") {
        ("a tar archive", UNPACK)
    } else if behind(128, b"DICM") {
        ("a DICOM file", SCIENCE)
    } else if bytes.starts_with(b"RIFF") && behind(8, b"AVI ") {
        ("a video (AVI)", FRAMES)
    } else if bytes.starts_with(b"RIFF") && behind(8, b"WAVE") {
        ("a sound", "not a photo")
    } else if behind(6, b"HEAPCCDR") {
        ("a camera's raw file (Canon CRW)", DEVELOP)
    } else if bytes.starts_with(b"\x5c\x01\0\0") && bytes.len() >= 348 {
        ("a NIfTI volume", SCIENCE)
    } else if is_icon(bytes, 1) {
        ("a Windows icon", CONVERT)
    } else if is_icon(bytes, 2) {
        ("a Windows cursor", CONVERT)
    } else if bytes.ends_with(b"TRUEVISION-XFILE.\0") || is_tga(bytes) {
        ("a TGA picture", CONVERT)
    } else if bytes.starts_with(b"MZ") {
        ("a Windows program", "not a photo")
    } else {
        return markup(bytes).unwrap_or_else(|| String::from("not a picture of any known kind"));
    };
    format!("{what}, {remedy}")
}

/// Whether this is a Windows icon (kind 1) or cursor (2): pictures are counted, and the first lies behind the list of them.
fn is_icon(bytes: &[u8], kind: u8) -> bool {
    let Some(list) = bytes.get(4..22).filter(|_| bytes.starts_with(&[0, 0, kind, 0])) else {
        return false;
    };
    let count = u32::from(u16::from_le_bytes([list[0], list[1]]));
    let number = |at: usize| u32::from_le_bytes([list[at], list[at + 1], list[at + 2], list[at + 3]]);
    let (length, offset) = (number(10), number(14));
    count > 0 && list[5] == 0 && length > 0 && offset >= 6 + 16 * count && offset < 1 << 26
}

/// Whether the header is that of a Targa file, which has no mark of its own: kinds, depths and a size that there are.
fn is_tga(bytes: &[u8]) -> bool {
    let Some(header) = bytes.get(..18) else {
        return false;
    };
    let [has_palette, kind, depth, palette_depth] = [header[1], header[2], header[16], header[7]];
    let depths: &[u8] = match kind {
        1 | 9 => &[8, 16],
        2 | 10 => &[15, 16, 24, 32],
        3 | 11 => &[8, 16],
        _ => &[],
    };
    let palette = match has_palette {
        0 => !matches!(kind, 1 | 9) && header[3..8] == [0; 5],
        1 => [15, 16, 24, 32].contains(&palette_depth),
        _ => false,
    };
    let size = [12, 14].map(|at| u16::from_le_bytes([header[at], header[at + 1]]));
    palette && depths.contains(&depth) && size.iter().all(|&side| side > 0) && header[17] & 0xc0 == 0
}

/// A raw file that is built like a TIFF.
pub(super) fn raw(kind: &str) -> String {
    format!("a camera's raw file ({kind}), {DEVELOP}")
}

/// HEIC, AVIF, videos and alike, by the brands in their first box.
fn iso_media(bytes: &[u8]) -> String {
    let length = bytes
        .get(..4)
        .map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize);
    // The major brand, its version, and those that it is compatible with.
    let brands = bytes
        .get(8..length.clamp(12, 256).min(bytes.len()))
        .unwrap_or_default();
    let has = |wanted: &[&[u8; 4]]| {
        brands
            .chunks_exact(4)
            .any(|brand| wanted.iter().any(|w| *w == brand))
    };
    if has(&[b"avif", b"avis"]) {
        return format!("an AVIF picture, {CONVERT}");
    }
    if has(&[b"crx "]) {
        return format!("a camera's raw file (Canon CR3), {DEVELOP}");
    }
    let heif: [&[u8; 4]; 10] = [
        b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"heif",
    ];
    match has(&heif) {
        true => format!(
            "a HEIC picture, {CONVERT} (iPhones take JPEG with Settings, Camera, Formats, Most Compatible)"
        ),
        false => format!("a video or other media file, {FRAMES}"),
    }
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
        let dicom = [&[0; 128][..], b"DICM\x02\0"].concat();
        // The first three bytes (length of the text, palette, kind), and the size.
        let tga = |kind: [u8; 3], depth: u8| {
            [&kind[..], &[0; 9], &[64, 0, 48, 0, depth, 0x20], &[200; 99]].concat()
        };
        // One picture of 32 x 32, 1128 bytes from byte 22 on.
        let icon = |kind: u8| {
            let entry = [32, 32, 0, 0, 1, 0, 1, 0, 0x68, 4, 0, 0, 22, 0, 0, 0];
            [&[0, 0, kind, 0, 1, 0][..], &entry, &[0; 99]].concat()
        };
        let nifti = [&b"\x5c\x01\0\0"[..], &[0; 400]].concat();
        for (bytes, words) in [
            (
                &b"version https://git-lfs.github.com/spec/v1\noid"[..],
                "git lfs pull",
            ),
            (b"<!DOCTYPE html><title>404", "HTML page"),
            (b"\xef\xbb\xbf <HTML>", "HTML page"),
            (b"<?xml version='1.0'?><svg xmlns=''>", "SVG"),
            (b"\0\0\0\x18ftypheic\0\0", "HEIC"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
            (b"\0\0\0\x20ftypavif\0\0", "AVIF"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "AVIF"),
            (b"\0\0\0\x18ftypcrx \0\0\0\x01", "raw file (Canon CR3)"),
            (b"\0\0\0\x14ftyp3gp4", "video"),
            (b"RIFF\x10\x20\0\0AVI LIST", "video (AVI)"),
            (
                b"FUJIFILMCCD-RAW 0201",
                "raw file (Fujifilm RAF), which is not developed",
            ),
            (&dicom, "DICOM"),
            (&nifti, "NIfTI"),
            (&tga([0, 0, 2], 24), "TGA"),
            (&tga([0, 0, 10], 32), "TGA"),
            (&tga([0, 0, 3], 8), "TGA"),
            (&tga([0, 0, 2], 77), "not a picture"),
            (&icon(2), "Windows cursor"),
            (&icon(1), "Windows icon"),
            (b"hello\nworld", "text file"),
            (b"\x01\x02\x03\x04", "not a picture"),
            (b"", "empty"),
        ] {
            assert!(describe(bytes).contains(words), "{words}: {}", describe(bytes));
        }
    }
}

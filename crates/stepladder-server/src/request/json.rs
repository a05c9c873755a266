//! Photos in JSON. What is read of a body is bounded by the number of photos that a request may have, whatever the body goes on to say.

use super::{Sent, name_of, too_many};
use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;
use stepladder_http::Refusal;

/// Base64 with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A photo as it is sent; what it says of itself is borrowed from the body where it can be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Photo<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    /// Base64 in any of its usual forms, or a data URI of it.
    #[serde(borrow)]
    data: Cow<'a, str>,
}

/// The photos of a body, at most `most`.
pub(super) fn json(body: &[u8], most: usize) -> Result<Vec<Sent>, Refusal> {
    let mut document = serde_json::Deserializer::from_slice(body);
    let mut reading = Reading {
        most,
        too_many: false,
    };
    let photos = (&mut reading)
        .deserialize(&mut document)
        .and_then(|photos| document.end().map(|()| photos));
    match photos {
        _ if reading.too_many => Err(too_many(most)),
        Ok(photos) => photos.into_iter().enumerate().map(decoded).collect(),
        Err(error) => Err(Refusal::bad("bad_json", not_photos(&error))),
    }
}

/// What is wrong with the body, and where. What the parser says would repeat parts of it.
fn not_photos(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let wrong = match error.classify() {
        Category::Eof => "ends early",
        Category::Syntax => "is no JSON",
        Category::Data | Category::Io => "is JSON of another shape",
    };
    format!(
        "the body {wrong} at line {}, column {}; send {{\"photos\": [{{\"name\": \"a.jpg\", \"data\": \"base64\"}}]}}, where name may be left out",
        error.line(),
        error.column()
    )
}

/// The bytes of base64 as clients write it: after the head of a data URI, wrapped into lines, in the URL-safe alphabet, without padding.
fn bytes_of(data: &str) -> Option<Vec<u8>> {
    let data = match data.strip_prefix("data:") {
        Some(uri) => {
            uri.split_once(',')
                .filter(|(head, _)| head.ends_with(";base64"))?
                .1
        }
        None => data,
    };
    let unusual = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'-' | b'_');
    if !data.as_bytes().iter().any(unusual) {
        return BASE64.decode(data).ok();
    }
    let usual = |byte: u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    };
    let letters = data.bytes().filter(|byte| !byte.is_ascii_whitespace());
    BASE64.decode(letters.map(usual).collect::<Vec<u8>>()).ok()
}

fn decoded((number, photo): (usize, Photo<'_>)) -> Result<Sent, Refusal> {
    let name = name_of(photo.name.as_deref(), number);
    match bytes_of(&photo.data) {
        Some(bytes) => Ok(Sent {
            name,
            bytes: bytes.into(),
            remedy: None,
        }),
        None => Err(Refusal::bad(
            "bad_base64",
            format!(
                "photo {}: its data is no base64; send the picture's bytes in base64, or a data URI with ;base64",
                number + 1
            ),
        )),
    }
}

/// Reads the document, and its list, up to a number of photos.
struct Reading {
    most: usize,
    too_many: bool,
}

impl<'de> DeserializeSeed<'de> for &mut Reading {
    type Value = Vec<Photo<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, document: D) -> Result<Vec<Photo<'de>>, D::Error> {
        document.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Reading {
    type Value = Vec<Photo<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with photos")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut document: A) -> Result<Vec<Photo<'de>>, A::Error> {
        let mut photos = None;
        while let Some(key) = document.next_key::<Cow<'de, str>>()? {
            match &*key {
                "photos" if photos.is_none() => photos = Some(document.next_value_seed(List(self))?),
                "photos" => return Err(A::Error::duplicate_field("photos")),
                other => return Err(A::Error::unknown_field(other, &["photos"])),
            }
        }
        photos.ok_or_else(|| A::Error::missing_field("photos"))
    }
}

/// The list of photos.
struct List<'a>(&'a mut Reading);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = Vec<Photo<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, list: D) -> Result<Vec<Photo<'de>>, D::Error> {
        list.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = Vec<Photo<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of photos")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Photo<'de>>, A::Error> {
        let mut photos = Vec::new();
        while let Some(photo) = list.next_element()? {
            if photos.len() == self.0.most {
                self.0.too_many = true;
                return Err(A::Error::custom("too many photos"));
            }
            photos.push(photo);
        }
        Ok(photos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_photos_or_says_what_is_wrong() {
        let photos = json(br#"{"photos":[{"data":"aGk="},{"name":"b\u001b","data":""}]}"#, 2).unwrap();
        assert_eq!(
            (photos[0].name.as_str(), photos[0].bytes.as_ref()),
            ("photo 1", b"hi".as_slice())
        );
        assert_eq!(photos[1].name, "b\\u{1b}");
        let code = |body: &[u8]| json(body, 2).unwrap_err().code;
        for body in [
            &b"{}"[..],
            b"[]",
            b"{\"photos\":{}}",
            b"{\"photos\":[],\"photos\":[]}",
            b"{\"photos\":[],\"x\":1}",
            b"{\"photos\":[]} x",
            b"{\"photos\":[{\"data\":\"\",\"x\":1}]}",
            b"{\"photos\":[{}]}",
        ] {
            assert_eq!(code(body), "bad_json", "{}", String::from_utf8_lossy(body));
        }
        assert_eq!(code(br#"{"photos":[{"data":"*"}]}"#), "bad_base64");
    }

    #[test]
    fn base64_is_read_as_clients_write_it() {
        let bytes: Vec<u8> = (0..=255).collect();
        let standard = BASE64.encode(&bytes);
        let url_safe = standard.replace('+', "-").replace('/', "_");
        let wrapped: Vec<&[u8]> = standard.as_bytes().chunks(76).collect();
        let wrapped = String::from_utf8(wrapped.join(&b"\r\n"[..])).unwrap() + "\n";
        for data in [
            standard.clone(),
            format!("data:image/jpeg;base64,{standard}"),
            format!("data:;base64,{url_safe}"),
            url_safe.trim_end_matches('=').to_string(),
            wrapped,
        ] {
            assert_eq!(bytes_of(&data).as_ref(), Some(&bytes), "{data}");
        }
        for wrong in [
            "data:image/jpeg,abcd",
            "data:abcd",
            "ab!d",
            "a",
            "https://example.org/a.jpg",
        ] {
            assert_eq!(bytes_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn refusals_repeat_nothing_of_the_body() {
        for body in [
            r#"{"secret-key":1}"#,
            r#"{"photos":["secret-key"]}"#,
            r#"{"photos":[{"data":"secret-key!"}]}"#,
            r#"{"photos":[{"url":"secret-key"}]}"#,
            "secret-key",
        ] {
            let message = json(body.as_bytes(), 2).unwrap_err().message;
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn what_is_too_long_is_not_read_to_its_end() {
        let mut body = b"{\"photos\":[".to_vec();
        body.extend(br#"{"data":""},"#.repeat(3));
        body.extend(b"and no JSON any more");
        assert_eq!(json(&body, 2).unwrap_err().code, "too_many_photos");
        assert_eq!(json(&body, 9).unwrap_err().code, "bad_json");
    }
}

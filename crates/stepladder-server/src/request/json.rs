//! Photos in JSON. What is read of a body is bounded by the number of photos that a request may have, whatever the body goes on to say.

use super::{Sent, name_of, too_many};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;
use stepladder_http::Refusal;

/// A photo as it is sent; what it says of itself is borrowed from the body where it can be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Photo<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    /// Base64, with padding.
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
        Err(error) => Err(Refusal::bad(
            "bad_json",
            format!("the body is not {{\"photos\": [{{\"name\": .., \"data\": base64}}]}}: {error}"),
        )),
    }
}

fn decoded((number, photo): (usize, Photo<'_>)) -> Result<Sent, Refusal> {
    let name = name_of(photo.name.as_deref(), number);
    match STANDARD.decode(photo.data.as_bytes()) {
        Ok(bytes) => Ok(Sent {
            name,
            bytes: bytes.into(),
        }),
        Err(error) => Err(Refusal::bad(
            "bad_base64",
            format!("{name}: its data is no base64: {error}"),
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
    fn what_is_too_long_is_not_read_to_its_end() {
        let mut body = b"{\"photos\":[".to_vec();
        body.extend(br#"{"data":""},"#.repeat(3));
        body.extend(b"and no JSON any more");
        assert_eq!(json(&body, 2).unwrap_err().code, "too_many_photos");
        assert_eq!(json(&body, 9).unwrap_err().code, "bad_json");
    }
}

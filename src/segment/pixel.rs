//! The pixel: one call in the query of a GET (Segment's pixel tracking API).

use super::call::Names;
use super::scan::DEPTH_MAX;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// The image that answers every pixel.
pub const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// The longest query that is changed: servers refuse longer request lines.
pub const QUERY_BYTES_MAX: usize = 8 * 1024;

/// A pixel's call, taken out of its query.
pub struct Pixel {
    /// The call as JSON.
    pub json: Vec<u8>,
    form: Form,
}

/// How the call stands in the query.
enum Form {
    /// `data=`: base64 of JSON.
    Data { before: String, after: String, spelling: Spelling },
    /// One parameter for each field, its path with dots.
    Dotted,
}

/// How base64 was written, so that it can be written in the same way.
#[derive(Clone, Copy)]
struct Spelling {
    url_safe: bool,
    padded: bool,
}

impl Pixel {
    /// Takes the call out of a query; `None` when there is none in it.
    pub fn read(query: &str) -> Option<Self> {
        let mut start = 0;
        for pair in query.split('&') {
            if let Some(data) = pair.strip_prefix("data=") {
                let before = query.get(..start + "data=".len())?.to_owned();
                let after = query.get(start + pair.len()..)?.to_owned();
                let (json, spelling) = decode(data)?;
                return Some(Self { json, form: Form::Data { before, after, spelling } });
            }
            start += pair.len() + 1;
        }
        Some(Self { json: serde_json::to_vec(&Value::Object(dotted(query)?)).ok()?, form: Form::Dotted })
    }

    /// The query that carries `json` in the place of the call; the dotted form can only gain a referrer.
    ///
    /// `None` when it would be longer than [`QUERY_BYTES_MAX`]: then the query goes on as it came.
    pub fn write(&self, query: &str, json: &[u8], referrer: Option<&str>, names: &Names) -> Option<String> {
        let written = match (&self.form, referrer) {
            (Form::Data { before, after, spelling }, _) => format!("{before}{}{after}", encode(json, *spelling)),
            (Form::Dotted, Some(id)) => {
                let id = percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC);
                format!("{query}&context.referrer.id={id}&context.referrer.type={}", names.referrer_type)
            }
            (Form::Dotted, None) => query.to_owned(),
        };
        (written.len() <= QUERY_BYTES_MAX).then_some(written)
    }

    /// Whether the call's `integrations` can be set: not among dotted parameters, which are all strings.
    pub fn takes_integrations(&self) -> bool {
        matches!(self.form, Form::Data { .. })
    }
}

fn decode(data: &str) -> Option<(Vec<u8>, Spelling)> {
    // A `+` of the standard alphabet may have become a space on the way.
    let text = percent_decode_str(data).decode_utf8().ok()?.replace(' ', "+");
    let unpadded = text.trim_end_matches('=');
    let spelling = Spelling {
        url_safe: text.contains(['-', '_']) || !text.contains(['+', '/']),
        padded: unpadded.len() < text.len(),
    };
    Some((engine(spelling).decode(unpadded).ok()?, spelling))
}

fn encode(json: &[u8], spelling: Spelling) -> String {
    let text = engine(spelling).encode(json);
    // `+` in a query means a space to many; `/` and `=` are safe there.
    text.replace('+', "%2B")
}

fn engine(spelling: Spelling) -> GeneralPurpose {
    let alphabet = if spelling.url_safe { &base64::alphabet::URL_SAFE } else { &base64::alphabet::STANDARD };
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(spelling.padded)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(alphabet, config)
}

/// The call that dotted parameters spell: `properties.price=3` is `{"properties":{"price":"3"}}`.
///
/// `None` when a path nests deeper than a body may: a query of dots would take as many frames of the stack.
fn dotted(query: &str) -> Option<Map<String, Value>> {
    let mut call = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (path, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let path = plain(path);
        if path.split('.').count() > usize::from(DEPTH_MAX) {
            return None;
        }
        let mut at = &mut call;
        let mut keys = path.split('.').peekable();
        while let Some(key) = keys.next() {
            if keys.peek().is_none() {
                at.insert(key.to_owned(), Value::String(plain(value)));
                break;
            }
            let next = at.entry(key).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(next) = next else { break };
            at = next;
        }
    }
    Some(call)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names { parameters: Vec::new(), integration: "Impact Partnership Cloud", referrer_type: "impactRadius" }
    }

    #[test]
    fn data_is_written_in_the_alphabet_it_came_in() {
        let json = br#"{"event":"a?>~","userId":"x"}"#;
        for (query, written) in [
            ("data=eyJldmVudCI6ImE_Pn4iLCJ1c2VySWQiOiJ4In0", "data=eyJldmVudCI6ImE_Pn4iLCJ1c2VySWQiOiJ4In0"),
            (
                "v=1&data=eyJldmVudCI6ImE/Pn4iLCJ1c2VySWQiOiJ4In0=&z=%20",
                "v=1&data=eyJldmVudCI6ImE/Pn4iLCJ1c2VySWQiOiJ4In0=&z=%20",
            ),
            ("data=eyJldmVudCI6ImE%2FPn4iLCJ1c2VySWQiOiJ4In0%3D", "data=eyJldmVudCI6ImE/Pn4iLCJ1c2VySWQiOiJ4In0="),
        ] {
            let pixel = Pixel::read(query).unwrap();
            assert_eq!(pixel.json, json, "{query}");
            assert_eq!(pixel.write(query, json, None, &names()).unwrap(), written);
        }
        assert!(Pixel::read("data=%%%").is_none());
    }

    #[test]
    fn dotted_parameters_spell_a_call() {
        let query = "userId=u1&event=Order+Completed&properties.subject=a%20b&properties.n=3&userId.x=lost";
        let pixel = Pixel::read(query).unwrap();
        let call: Value = serde_json::from_slice(&pixel.json).unwrap();
        assert_eq!(
            call,
            serde_json::json!({"userId": "u1", "event": "Order Completed", "properties": {"subject": "a b", "n": "3"}})
        );
        let written = pixel.write(query, b"", Some("a:b-c"), &names()).unwrap();
        assert_eq!(written, format!("{query}&context.referrer.id=a%3Ab%2Dc&context.referrer.type=impactRadius"));
        assert!(pixel.write(&"x".repeat(8_200), b"", Some("a"), &names()).is_none());
    }

    #[test]
    fn a_path_nests_no_deeper_than_a_body() {
        let query = |steps: usize| format!("userId=u1&{}=3", vec!["a"; steps].join("."));
        assert!(Pixel::read(&query(128)).is_some());
        assert!(Pixel::read(&query(129)).is_none());
        assert!(Pixel::read(&query(4_000)).is_none());
    }
}

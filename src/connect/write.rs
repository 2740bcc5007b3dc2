//! Values and comments as TOML writes them, whatever stands in them.

use std::fmt;

/// The value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    /// A string.
    Text(String),
    /// `true` or `false`.
    Flag(bool),
    /// A number with a fraction.
    Share(f64),
    /// A list of strings.
    List(Vec<String>),
    /// A table of strings, on one line.
    Table(Vec<(String, String)>),
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Flag(flag) => write!(f, "{flag}"),
            // With its point: TOML tells numbers apart by it.
            Self::Share(share) => write!(f, "{share:?}"),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Self::Table(pairs) => {
                let pairs: Vec<String> =
                    pairs.iter().map(|(name, value)| format!("{} = {}", key(name), quoted(value))).collect();
                write!(f, "{{ {} }}", pairs.join(", "))
            }
        }
    }
}

/// A string: in single quotes where that spares escapes.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = !text.chars().any(|c| c.is_control() || c == '\'');
    if is_plain && text.contains(['"', '\\']) {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A key: bare where that is allowed.
fn key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if is_bare { name.to_owned() } else { quoted(name) }
}

/// Words of a comment, on one line: what an account says can neither end the comment nor steer a terminal.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_written_is_read_again() {
        let texts =
            ["", "plain", "a \"b\"", "it's", "it's \"b\" \\", "a\\b", "x\ny\t\u{7f}\u{1}", "größe 日本", "\u{85}"];
        for text in texts {
            let pairs = texts.iter().map(|value| ((*value).to_owned(), text.to_owned())).collect();
            let list = texts.iter().map(|value| (*value).to_owned()).collect();
            let toml = format!("a = {}\nb = {}\nc = {}\n", quoted(text), Written::Table(pairs), Written::List(list));
            let read = toml::de::DeTable::parse(&toml).unwrap_or_else(|error| panic!("{toml}{error}"));
            let read = read.get_ref();
            assert_eq!(read["a"].get_ref().as_str(), Some(text), "{toml}");
            let table = read["b"].get_ref().as_table().unwrap();
            assert!(texts.iter().all(|key| table[*key].get_ref().as_str() == Some(text)), "{toml}");
            let list: Vec<_> =
                read["c"].get_ref().as_array().unwrap().iter().map(|value| value.get_ref().as_str()).collect();
            assert_eq!(list, texts.map(Some));
        }
    }

    #[test]
    fn numbers_keep_their_point_and_comments_their_line() {
        assert_eq!(Written::Share(0.5).to_string() + " " + &Written::Share(0.0).to_string(), "0.5 0.0");
        assert_eq!(one_line("a\n[impact]\r\u{1b}[2J"), "a [impact]  [2J");
        assert_eq!(quoted("properties.region = \"Canada\""), "'properties.region = \"Canada\"'");
    }
}

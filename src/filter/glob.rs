//! Patterns of `match`: `*`, `?`, `[a-z]`, `[^a-z]`, and `\` before what is meant as it is.

/// What a pattern asks of a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    /// `*`
    Run,
    /// `?`
    Any,
    One(char),
    /// `[…]`: pairs of first and last, and whether it must be none of them.
    Class(Vec<(char, char)>, bool),
}

/// Whether all of `text` fits `pattern`. Nothing fits a pattern that is none.
pub(super) fn matches(text: &str, pattern: &str) -> bool {
    pieces(pattern).is_some_and(|pieces| fits(text, &pieces))
}

/// Where a character does not fit, the last run takes one more: what came before it stays as it is.
fn fits(text: &str, pieces: &[Piece]) -> bool {
    let (mut rest, mut next) = (text.chars(), 0);
    let mut last_run = None;
    loop {
        let mut tried = rest.clone();
        match (pieces.get(next), tried.next()) {
            (Some(Piece::Run), _) => {
                next += 1;
                last_run = Some((next, rest.clone()));
                continue;
            }
            (None, None) => return true,
            (Some(piece), Some(character)) if piece.takes(character) => {
                (rest, next) = (tried, next + 1);
                continue;
            }
            _ => {}
        }
        let Some((after_run, from)) = &mut last_run else { return false };
        if from.next().is_none() {
            return false;
        }
        (rest, next) = (from.clone(), *after_run);
    }
}

impl Piece {
    fn takes(&self, character: char) -> bool {
        match self {
            Self::Run | Self::Any => true,
            Self::One(one) => *one == character,
            Self::Class(ranges, none_of) => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&character)) != *none_of
            }
        }
    }
}

/// The pieces of a pattern; `None`: it is none.
fn pieces(pattern: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        pieces.push(match character {
            '*' => Piece::Run,
            '?' => Piece::Any,
            '\\' => Piece::One(characters.next()?),
            '[' => {
                let (piece, rest) = class(characters.as_str())?;
                characters = rest.chars();
                piece
            }
            other => Piece::One(other),
        });
    }
    Some(pieces)
}

/// What stands in brackets, and what follows them.
fn class(text: &str) -> Option<(Piece, &str)> {
    let (none_of, text) = text.strip_prefix('^').map_or((false, text), |rest| (true, rest));
    let (mut ranges, mut rest) = (Vec::new(), text);
    loop {
        if let Some(after) = rest.strip_prefix(']').filter(|_| !ranges.is_empty()) {
            return Some((Piece::Class(ranges, none_of), after));
        }
        let (first, after) = class_character(rest)?;
        let (last, after) = match after.strip_prefix('-') {
            Some(after) => class_character(after)?,
            None => (first, after),
        };
        ranges.push((first, last));
        rest = after;
    }
}

fn class_character(text: &str) -> Option<(char, &str)> {
    let mut characters = text.chars();
    let character = match characters.next()? {
        '-' | ']' => return None,
        '\\' => characters.next()?,
        other => other,
    };
    Some((character, characters.as_str()))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn what_fits() {
        for (text, pattern) in [
            ("abcd", "a*d"),
            ("", "*"),
            ("", ""),
            ("abcd", "a??d"),
            ("abcd", "*d"),
            ("ab*d", "ab\\*d"),
            ("abCd", "ab[cC]d"),
            ("abcd", "ab[a-z]d"),
            ("a/b/c", "a*c"),
            ("a]c", "a[\\]]c"),
            ("a-c", "a[\\-x]c"),
            ("größe", "gr?ße"),
            ("größe", "gr[^a-z]ße"),
            ("aXbXc", "*X?"),
            ("aaab", "*a*a*b"),
            ("a[", "a[[]"),
            ("a\nb", "a*b"),
        ] {
            assert!(matches(text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in [
            ("abc", "ab"),
            ("abcd", "ab[A-Z]d"),
            ("Abc", "a*"),
            ("ab", "a"),
            ("a", "a?"),
            ("abc", "a[^b]c"),
            ("aaaa", "*a*b"),
            ("x", ""),
        ] {
            assert!(!matches(text, pattern), "{text} {pattern}");
        }
    }

    #[test]
    fn nothing_fits_what_is_no_pattern() {
        for pattern in ["[", "[]", "[a", "[a-", "[a-]", "[-a]", "[^]", "a\\", "[\\", "[]a]", "*["] {
            for text in ["", "a", "[", "]", "\\", pattern] {
                assert!(!matches(text, pattern), "{text} {pattern}");
            }
        }
    }

    #[test]
    fn a_long_text_is_no_trouble() {
        let (text, pattern) = ("a".repeat(20_000), "a*".repeat(50) + "b");
        assert!(!matches(&text, &pattern));
        assert!(matches(&(text + "b"), &pattern));
    }
}

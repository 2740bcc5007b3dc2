//! Typing that is not shown.

use super::Failure;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::io::{self, Read};

/// What Ctrl-C types.
const INTERRUPT: u8 = 3;

/// The longest line that is a token, by far.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Asks for a line that the terminal does not show. It is hidden before the question is asked: an answer may be pasted at once.
pub(super) fn hidden(question: &str) -> Result<String, Failure> {
    let dark = Dark::fall()?;
    super::super::say(question);
    let mut line = Vec::new();
    for byte in io::stdin().lock().bytes() {
        match byte? {
            b'\n' => break,
            INTERRUPT => {
                drop(dark);
                return Err(Failure::Failed("interrupted, and nothing is written".to_owned()));
            }
            byte if line.len() < LINE_BYTES_MAX => line.push(byte),
            _ => {}
        }
    }
    drop(dark);
    String::from_utf8(line).map_err(|_| Failure::Usage("that is no text in UTF-8".to_owned()))
}

/// The terminal shows nothing but the ends of lines, until this is dropped.
struct Dark(Termios);

impl Dark {
    fn fall() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut dark = before.clone();
        dark.local_modes.remove(LocalModes::ECHO);
        dark.local_modes.insert(LocalModes::ECHONL);
        // Ctrl-C would leave the terminal dark: it ends the line instead, and is told by it.
        dark.local_modes.remove(LocalModes::ISIG);
        dark.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        tcsetattr(io::stdin(), OptionalActions::Now, &dark)?;
        Ok(Self(before))
    }
}

impl Drop for Dark {
    fn drop(&mut self) {
        // A terminal that has gone away needs no light.
        tcsetattr(io::stdin(), OptionalActions::Now, &self.0).ok();
    }
}

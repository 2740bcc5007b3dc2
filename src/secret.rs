//! Values that cannot be printed.

use std::fmt;

/// A secret: a token, a key. It cannot be printed; only [`Secret::reveal`] gives it away.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Whether the values of secrets are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// They are: a secret that cannot be had is an error.
    Required,
    /// They are not (`check`, `explain`): a secret that cannot be had is a warning, and absent.
    Optional,
}

impl Secret {
    /// Hides `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself; call it where it goes on the wire and nowhere else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("«secret»")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "«secret» Some(«secret»)");
        assert_eq!(secret.reveal(), "hunter2");
    }
}

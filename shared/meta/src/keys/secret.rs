//! The secret of a key: `pl_<scope letters>_<43 characters of base64url, 32 random bytes>`, say `pl_i_0Zk...`.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clock::Ids;
use model::{Scope, Scopes};
use sha2::{Digest, Sha256};

const PREFIX: &str = "pl_";
/// More than any secret of ours has; what is longer is not even hashed.
const SECRET_BYTES_MAX: usize = 100;
/// Characters of the random part that a list shows.
const HINT_CHARS: usize = 6;

/// Never printed by accident: `Debug` shows the hint.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(super) fn draw(ids: &dyn Ids, scopes: &Scopes) -> Self {
        let letters: String = scopes.as_slice().iter().map(|scope| letter(*scope)).collect();
        Self(format!("{PREFIX}{letters}_{}", URL_SAFE_NO_PAD.encode(ids.secret())))
    }

    /// Any text that could be a secret of ours; whether it is one, its hash decides.
    pub fn parse(text: &str) -> Option<Self> {
        (text.starts_with(PREFIX) && text.len() <= SECRET_BYTES_MAX && text.is_ascii()).then(|| Self(text.to_owned()))
    }

    /// To be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub(super) fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The beginning, by which a person knows it again; far too little to guess the rest.
    pub(super) fn hint(&self) -> String {
        let random_at = self.0[PREFIX.len()..].find('_').map_or(self.0.len(), |at| PREFIX.len() + at + 1);
        self.0.chars().take(random_at + HINT_CHARS).collect()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}...", self.hint())
    }
}

fn letter(scope: Scope) -> char {
    match scope {
        Scope::Ingest => 'i',
        Scope::Read => 'r',
        Scope::Admin => 'a',
    }
}

#[cfg(test)]
mod tests {
    use clock::RandomIds;

    use super::*;

    #[test]
    fn a_secret_shows_its_scopes_and_little_else() {
        let scopes = Scopes::from(vec![Scope::Admin, Scope::Read]);
        let secret = Secret::draw(&RandomIds, &scopes);
        let text = secret.reveal().to_owned();
        assert!(text.starts_with("pl_ra_"), "{text}");
        assert_eq!(text.len(), "pl_ra_".len() + 43);
        assert_eq!(secret.hint(), text[..12]);
        assert_eq!(format!("{secret:?}"), format!("{}...", &text[..12]));
        assert_eq!(Secret::parse(&text), Some(secret));
    }

    #[test]
    fn what_cannot_be_a_secret_is_not_looked_up() {
        for text in ["", "Bearer x", "sk_123", "pl_ü", &format!("pl_i_{}", "x".repeat(SECRET_BYTES_MAX))] {
            assert!(Secret::parse(text).is_none(), "{text}");
        }
    }
}

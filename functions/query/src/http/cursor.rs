//! Where a list goes on: after the last item's time and id, so that items of equal times are neither lost nor repeated.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge::ApiError;
use model::Micros;

use super::parameters::wrong;

/// Longest id that a cursor holds.
const ID_BYTES_MAX: usize = 200;

/// A place in a list that is sorted by time and id, both descending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) at: Micros,
    pub(super) id: String,
}

impl Cursor {
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        let broken = || wrong("cursor", "it is none that was answered here");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| broken())?;
        let text = String::from_utf8(bytes).map_err(|_| broken())?;
        let (at, id) = text.split_once(':').ok_or_else(broken)?;
        if id.len() > ID_BYTES_MAX {
            return Err(broken());
        }
        Ok(Self { at: at.parse().map_err(|_| broken())?, id: id.to_owned() })
    }

    pub(super) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}:{}", self.at, self.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_others_do_not() {
        let cursor = Cursor { at: -5, id: "a:b".into() };
        assert_eq!(Cursor::parse(&cursor.text()).expect("reads back"), cursor);
        for wrong in ["", "!", "YWJj", "OjU"] {
            assert!(Cursor::parse(wrong).is_err(), "{wrong}");
        }
    }
}

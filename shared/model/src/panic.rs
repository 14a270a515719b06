//! What a panic said.

use std::any::Any;

/// The words of a caught panic, as `catch_unwind` or a task that died hands it over.
pub fn panic_words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without words".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_in_its_own_words_if_it_has_any() {
        let panics: [(Box<dyn Any + Send>, &str); 3] = [
            (Box::new("constant"), "constant"),
            (Box::new("formatted".to_owned()), "formatted"),
            (Box::new(7), "without words"),
        ];
        for (panic, words) in panics {
            assert_eq!(panic_words(panic.as_ref()), words);
        }
    }
}

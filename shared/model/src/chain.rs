//! What an error says.

use std::error::Error;

/// An error and its causes on one line, each once: a log line and an operator see no other. Of a cause only its first line,
/// without the backtrace that some libraries write below.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        let said = said.lines().next().unwrap_or_default();
        if !text.contains(said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Said(&'static str, Option<Box<Said>>);

    impl fmt::Display for Said {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Said {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as &(dyn Error + 'static))
        }
    }

    #[test]
    fn each_cause_is_told_once_by_its_first_line() {
        let disk = Said("no disk\n   0: backtrace", None);
        let twice = Said("failed to open", Some(Box::new(disk)));
        let outer = Said("cannot start: failed to open", Some(Box::new(twice)));
        assert_eq!(chain(&outer), "cannot start: failed to open: no disk");
    }
}

//! Settings from environment variables, read once; everything that is missing or does not read is reported together.

use std::env::VarError;
use std::fmt::Display;
use std::str::FromStr;

/// All that is wrong with the environment, one line each. Values are never shown: they may be secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment does not fit:\n{}", .problems.iter().map(|p| format!("  {p}")).collect::<Vec<_>>().join("\n"))]
pub struct EnvError {
    pub problems: Vec<String>,
}

/// Reads variables and remembers what is wrong with them until [`Env::finish`].
pub struct Env {
    lookup: Box<dyn Fn(&str) -> Result<String, VarError>>,
    problems: Vec<String>,
}

impl Env {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self::with(|name| std::env::var(name))
    }

    /// Any other source, for tests.
    pub fn with(lookup: impl Fn(&str) -> Result<String, VarError> + 'static) -> Self {
        Self { lookup: Box::new(lookup), problems: Vec::new() }
    }

    /// None only if it is missing or does not read; then [`Env::finish`] says so.
    pub fn required<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let value = self.read(name)?;
        if value.is_none() {
            self.note(format!("{name} is missing"));
        }
        value
    }

    /// The default if it is missing or empty.
    pub fn optional<T: FromStr<Err: Display>>(&mut self, name: &str, default: T) -> Option<T> {
        Some(self.read(name)?.unwrap_or(default))
    }

    /// Texts joined by commas; none if it is missing or empty.
    pub fn list(&mut self, name: &str) -> Option<Vec<String>> {
        let text = self.optional(name, String::new())?;
        Some(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
    }

    /// The settings that `build` makes of what was read, or everything that was wrong.
    pub fn finish<T>(self, build: impl FnOnce() -> Option<T>) -> Result<T, EnvError> {
        if self.problems.is_empty() {
            Ok(build().expect("without a problem every variable was read"))
        } else {
            Err(EnvError { problems: self.problems })
        }
    }

    /// Once, also if two ask for the same variable.
    fn note(&mut self, problem: String) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// None: it does not read. Some(None): it is missing, or empty, which is how templates leave one out.
    fn read<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<Option<T>> {
        let text = match (self.lookup)(name) {
            Ok(text) if text.is_empty() => return Some(None),
            Ok(text) => text,
            Err(VarError::NotPresent) => return Some(None),
            Err(VarError::NotUnicode(_)) => {
                self.note(format!("{name} is no UTF-8"));
                return None;
            }
        };
        match text.parse() {
            Ok(value) => Some(Some(value)),
            Err(error) => {
                self.note(format!("{name} does not read: {error}"));
                None
            }
        }
    }
}

/// A variable of several values with commas between them; empty ones are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List(pub Vec<String>);

impl FromStr for List {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let values = text.split(',').map(str::trim).filter(|value| !value.is_empty());
        Ok(Self(values.map(str::to_owned).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &'static [(&'static str, &'static str)]) -> Env {
        Env::with(move |name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned()).ok_or(VarError::NotPresent)
        })
    }

    #[test]
    fn everything_that_is_wrong_is_reported_at_once() {
        let mut env = env(&[("PORT", "secret-text"), ("EMPTY", ""), ("GOOD", "7")]);
        let bucket: Option<String> = env.required("BUCKET");
        let _: Option<String> = env.required("BUCKET");
        let empty: Option<String> = env.required("EMPTY");
        let port: Option<u16> = env.optional("PORT", 80);
        let good: Option<u16> = env.required("GOOD");
        let error = env.finish(|| Some((bucket?, empty?, port?, good?))).expect_err("three problems");
        assert_eq!(error.problems.len(), 3, "{error}");
        for part in ["BUCKET is missing", "EMPTY is missing", "PORT does not read: invalid digit"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        assert!(!error.to_string().contains("secret-text"), "{error}");
    }

    #[test]
    fn a_list_has_commas_between_its_values() {
        let mut env = env(&[("A", "https://a.test, https://b.test,"), ("B", "*")]);
        let (a, b): (Option<List>, Option<List>) = (env.required("A"), env.required("B"));
        let values = |list: Option<List>| list.expect("a list").0;
        assert_eq!((values(a), values(b)), (vec!["https://a.test".into(), "https://b.test".into()], vec!["*".into()]));
    }

    #[test]
    fn what_is_left_out_takes_its_default() {
        let mut env = env(&[("A", "1"), ("B", "")]);
        let (a, b): (Option<u8>, Option<u8>) = (env.required("A"), env.optional("B", 9));
        assert_eq!(env.finish(|| Some((a?, b?))), Ok((1, 9)));
    }

    #[test]
    fn a_list_is_joined_by_commas() {
        let mut env = env(&[("TWO", "a, b,"), ("NONE", "")]);
        let lists = ["TWO", "NONE", "MISSING"].map(|name| env.list(name));
        assert_eq!(lists, [Some(vec!["a".to_owned(), "b".to_owned()]), Some(vec![]), Some(vec![])]);
    }
}

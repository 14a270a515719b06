//! One line of `doctor --stack`.

use serde_json::{Value, json};

use crate::cli::{Align, CliError, Screen, Table};

/// What was looked at, and what was found.
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    pub(super) found: String,
    /// What to do about it; empty if all is well.
    pub(super) advice: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    /// It works, and should be looked at.
    Warn,
    /// It does not work, or something may be lost.
    Fail,
}

impl Check {
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, found: found.into(), advice: String::new() }
    }

    pub(super) fn warn(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warn, found: found.into(), advice: advice.into() }
    }

    pub(super) fn fail(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        let advice = advice.into();
        debug_assert!(!advice.is_empty(), "{name} fails and says not what to do");
        Self { name, verdict: Verdict::Fail, found: found.into(), advice }
    }

    /// An error of another command as a finding.
    pub(super) fn failed(name: &'static str, error: &CliError) -> Self {
        let mut lines = error.report().into_iter().map(|line| line.trim().to_owned());
        let found = lines.next().unwrap_or_default();
        let found = found.strip_prefix("error: ").map(str::to_owned).unwrap_or(found);
        let advice = lines.collect::<Vec<_>>().join("; ");
        Self::fail(name, found, if advice.is_empty() { next_step(error).to_owned() } else { advice })
    }

    fn as_json(&self) -> Value {
        json!({ "check": self.name, "verdict": self.verdict.as_str(), "found": self.found, "advice": self.advice })
    }
}

/// For an error that says only what is wrong.
fn next_step(error: &CliError) -> &'static str {
    match error {
        CliError::Foreign { .. } => {
            "something between here and the function answers in its place, or the function failed: look at the function's log, \
             and at the addresses among the stack's outputs"
        }
        CliError::Refused { status: 401 | 403, .. } => {
            "the keys in the stack's secret do not work: `plimsoll stack init --new-keys` draws new ones"
        }
        CliError::Refused { .. } => "the log of the function that answered says more; then run `plimsoll doctor` again",
        CliError::Usage(_) | CliError::Authorities { .. } => "give the option as `plimsoll doctor --help` says",
        _ => "run `plimsoll doctor` again; if it stays, the functions' logs say more",
    }
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// All that was looked at.
pub(crate) struct Checks(pub(super) Vec<Check>);

impl Checks {
    /// Nothing failed; something may be worth a look.
    pub(crate) fn is_fit(&self) -> bool {
        self.0.iter().all(|check| check.verdict != Verdict::Fail)
    }

    /// What to do stands below the table: in a cell it would be cut where it matters.
    pub(crate) fn show(&self, screen: &mut Screen) -> Result<(), CliError> {
        let mut table = Table::new([("check", Align::Left), ("verdict", Align::Left), ("found", Align::Left)]);
        for check in &self.0 {
            table.row([check.name.to_owned(), check.verdict.as_str().to_owned(), check.found.clone()]);
        }
        screen.table(&table)?;
        for check in self.0.iter().filter(|check| check.verdict != Verdict::Ok) {
            let Check { name, verdict, found, advice } = check;
            screen.line(&format!("\n{name} ({}): {found}\n  {advice}", verdict.as_str()))?;
        }
        Ok(())
    }

    pub(crate) fn document(&self) -> Value {
        json!({ "fit": self.is_fit(), "checks": self.0.iter().map(Check::as_json).collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::error::ErrorDetail;

    #[test]
    fn no_failed_check_is_without_advice() {
        let refused = |status| CliError::Refused { status, detail: Box::new(ErrorDetail::default()), sql: None };
        for error in [
            CliError::Foreign { url: "https://u".into(), status: 418, body: "tea".into() },
            refused(401),
            refused(422),
            CliError::Usage("not so".into()),
            CliError::Unreachable { url: "https://u".into(), cause: "gone".into(), hint: None },
            CliError::Output(std::io::Error::other("full")),
        ] {
            let check = Check::failed("tables", &error);
            assert!(!check.advice.is_empty() && !check.found.is_empty(), "{error:?}");
        }
        let said = CliError::Cloud { what: "w".into(), advice: "do this".into() };
        assert_eq!(Check::failed("tables", &said).advice, "do this");
    }
}

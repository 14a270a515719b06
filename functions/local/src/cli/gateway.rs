//! What stands in front of a stack's functions, an HTTP API or a function URL, and what it answers in words of its own: that
//! requests come too fast, or that no function answered. Errors of ours have a code; the edge's have only a message.
//!
//! A request that was too many reached no function, whatever it asks for, so it is sent again until [`PATIENCE`] is over. Of one
//! that no function answered nobody knows what became of it: it is sent again only if that does no harm.

use std::time::Duration;

use console::Term;
use serde_json::Value;

use super::CliError;

/// The slowest routes of template.yaml let one request through in 20 s.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two tries: at least half of this, which doubles up to the most.
const WAIT: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(8);
/// Of a request that no function answered; most of those that will be answered are so by then.
const UNANSWERED_TRIES_MAX: u32 = 3;

/// A request that the edge did not pass on, or not back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turned {
    /// 429. No function has seen it.
    TooMany { said: String },
    /// 5xx. A function may have seen it, and may have done it.
    Unanswered { status: u16, said: String },
}

/// Whether a request may be sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// It changes nothing, or is known again.
    Harmless,
    MayDoTwice,
}

impl Turned {
    /// None: this is not the edge's.
    pub(super) fn of(status: u16, answer: &Value) -> Option<Self> {
        let said = words(answer)?.to_owned();
        match status {
            429 => Some(Self::TooMany { said }),
            500 | 502..=504 => Some(Self::Unanswered { status, said }),
            _ => None,
        }
    }

    /// What is said when it is not sent again. `asked`: method and address.
    pub(super) fn into_error(self, asked: &str, again: Again, tries: &Tries) -> CliError {
        let after = match tries.failed {
            0 | 1 => String::new(),
            n => format!(" to {n} tries within {} s", tries.waited.as_secs().max(1)),
        };
        match self {
            Self::TooMany { said } => CliError::Cloud {
                what: format!("{asked}: the stack throttles, and answered 429{after}: {said}"),
                advice: "nothing was done: no function has seen the request. Wait a minute, and let fewer ask at once; how many \
                         requests each route takes follows ConcurrencyQuota, a parameter of the stack's template: deploy it with \
                         a higher one if Lambda's quota \"Concurrent executions\" in this account allows it"
                    .to_owned(),
            },
            Self::Unanswered { status, said } => CliError::Cloud {
                what: format!("{asked}: the stack's edge answered {status}{after}: {said}"),
                advice: match again {
                    Again::Harmless => {
                        "no function answered it: one was throttled, failed, or took longer than the edge waits (an HTTP API: \
                         30 s); the functions' logs say which. Try again, or ask for less"
                    }
                    Again::MayDoTwice => {
                        "no function answered it, and it may or may not have been done: look (`plimsoll status`, or the list of \
                         what it was to change) before you run it again; the functions' logs say more"
                    }
                }
                .to_owned(),
            },
        }
    }
}

/// The edge's message; none if the answer is Plimsoll's, or nobody's whom we know.
pub(super) fn words(answer: &Value) -> Option<&str> {
    if !answer["error"].is_null() || !answer["code"].is_null() {
        return None;
    }
    answer["message"].as_str().or(answer["Message"].as_str())
}

/// The tries of one request.
#[derive(Debug, Default)]
pub(super) struct Tries {
    failed: u32,
    waited: Duration,
}

impl Tries {
    /// How long to wait before the next one, after so much time; none: that was the last. `chance` is from 0 to 1.
    pub(super) fn next(
        &mut self,
        turned: &Turned,
        again: Again,
        retry_after: Option<Duration>,
        took: Duration,
        chance: f64,
    ) -> Option<Duration> {
        self.failed += 1;
        self.waited = took;
        match (turned, again) {
            (Turned::Unanswered { .. }, Again::MayDoTwice) => return None,
            (Turned::Unanswered { .. }, Again::Harmless) if self.failed >= UNANSWERED_TRIES_MAX => return None,
            _ => {}
        }
        let longest = WAIT.saturating_mul(1 << (self.failed - 1).min(8)).min(WAIT_MAX);
        let left = PATIENCE.checked_sub(took)?;
        let wait = match retry_after {
            Some(told) => told + WAIT.mul_f64(chance / 2.0),
            None => longest.mul_f64((1.0 + chance) / 2.0).min(left.max(WAIT)),
        };
        (wait <= left).then_some(wait)
    }
}

/// Beside the answer, for somebody who watches.
pub(super) fn tell(turned: &Turned, wait: Duration) {
    let terminal = Term::stderr();
    if !terminal.is_term() {
        return;
    }
    let why = match turned {
        Turned::TooMany { .. } => "the stack throttles (429)".to_owned(),
        Turned::Unanswered { status, .. } => format!("no function of the stack answered ({status})"),
    };
    // A terminal that is gone is no reason to fail.
    let _gone = terminal.write_line(&format!("{why}: again in {:.1} s", wait.as_secs_f64()));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn too_many() -> Turned {
        Turned::TooMany { said: "Too Many Requests".to_owned() }
    }

    fn unanswered() -> Turned {
        Turned::Unanswered { status: 503, said: "Service Unavailable".to_owned() }
    }

    #[test]
    fn what_the_edge_says_is_told_from_what_plimsoll_says() {
        let other = |status| Turned::Unanswered { status, said: "Internal Server Error".to_owned() };
        for (status, answer, turned) in [
            (429, json!({ "message": "Too Many Requests" }), Some(too_many())),
            (429, json!({ "Message": "Rate Exceeded." }), Some(Turned::TooMany { said: "Rate Exceeded.".to_owned() })),
            (503, json!({ "message": "Service Unavailable" }), Some(unanswered())),
            (500, json!({ "message": "Internal Server Error" }), Some(other(500))),
            (502, json!({ "Message": "Internal Server Error" }), Some(other(502))),
            (429, json!({ "error": { "code": "too_many_queries", "message": "16 queries" } }), None),
            (503, json!({ "code": 14, "message": "the object store did not answer" }), None),
            (403, json!({ "Message": "Forbidden" }), None),
            (404, json!({ "message": "Not Found" }), None),
            (429, json!("slow down"), None),
        ] {
            assert_eq!(Turned::of(status, &answer), turned, "{status} {answer}");
        }
    }

    /// The waits of a request that is turned away again and again.
    fn waits(turned: &Turned, again: Again, retry_after: Option<Duration>, chance: f64) -> Vec<f64> {
        let (mut tries, mut took, mut waits) = (Tries::default(), Duration::ZERO, Vec::new());
        while let Some(wait) = tries.next(turned, again, retry_after, took, chance) {
            took += wait;
            waits.push(wait.as_secs_f64());
        }
        waits
    }

    #[test]
    fn a_request_is_sent_again_until_patience_is_over_and_never_if_it_may_do_harm() {
        assert_eq!(waits(&too_many(), Again::MayDoTwice, None, 1.0), [1.0, 2.0, 4.0, 8.0, 8.0, 7.0]);
        let least = waits(&too_many(), Again::Harmless, None, 0.0);
        assert_eq!(least[..5], [0.5, 1.0, 2.0, 4.0, 4.0]);
        assert!(least.iter().sum::<f64>() > 20.0, "one request is let through in 20 s: {least:?}");
        assert_eq!(waits(&unanswered(), Again::Harmless, None, 1.0), [1.0, 2.0]);
        assert_eq!(waits(&unanswered(), Again::MayDoTwice, None, 1.0), [0.0; 0]);
        let told = |s| Some(Duration::from_secs(s));
        assert_eq!(waits(&too_many(), Again::Harmless, told(12), 0.0), [12.0, 12.0]);
        assert_eq!(waits(&too_many(), Again::Harmless, told(7200), 0.5), [0.0; 0]);
        // An edge that waited for a function is not made to wait again.
        let late = Tries::default().next(&unanswered(), Again::Harmless, None, Duration::from_secs(31), 0.0);
        assert_eq!(late, None);
    }
}

//! Which calls are broken, and how: rules that a test adds and takes away while everything runs.
//!
//! Of the rules that apply to a call the first decides; delays add up before it. Counting and chance belong to each rule,
//! so the same calls in the same order meet the same faults.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::read::Reading;
use super::{Refusal, Who};

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    /// It is turned away, and has no effect.
    Refuse(Refusal),
    /// The connection is closed, and it has no effect.
    Drop,
    /// It takes effect; the connection is closed instead of an answer.
    LoseReply,
    /// It takes effect; the answer is this refusal.
    Misreport(Refusal),
    /// It takes effect, later.
    Delay(Duration),
}

/// Which of the calls that a rule fits meet it, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    Always,
    Nth(u64),
    First(u64),
    Every(u64),
    /// So many of a thousand calls, drawn from a seed.
    Chance {
        per_mille: u64,
        seed: u64,
    },
}

/// A fault, and the calls that meet it. Without [`Rule::service`] and the like it is every call.
#[derive(Clone, Debug)]
pub struct Rule {
    act: Act,
    when: When,
    service: Option<String>,
    operation: Option<String>,
    by: Option<String>,
    at: Option<String>,
}

impl Rule {
    pub fn new(act: Act, when: When) -> Self {
        Self { act, when, service: None, operation: None, by: None, at: None }
    }

    /// As signatures name it: `s3`, `dynamodb`.
    pub fn service(mut self, service: &str) -> Self {
        self.service = Some(service.to_owned());
        self
    }

    /// The operation or one of the actions that IAM checks: `TransactWriteItems`, `dynamodb:PutItem`.
    pub fn operation(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_owned());
        self
    }

    /// Part of who calls: a function's name, or the ARN of the role that it assumed.
    pub fn by(mut self, who: &str) -> Self {
        self.by = Some(who.to_owned());
        self
    }

    /// Part of a resource's ARN, an object's key or an item's key.
    pub fn at(mut self, resource: &str) -> Self {
        self.at = Some(resource.to_owned());
        self
    }

    fn fits(&self, call: &Reading, who: &Who) -> bool {
        let is = |want: &Option<String>, has: &dyn Fn(&str) -> bool| want.as_deref().is_none_or(has);
        let needs = |has: &dyn Fn(&super::Need) -> bool| call.needs.iter().any(has);
        is(&self.service, &|service| call.service == service)
            && is(&self.operation, &|name| call.operation == name || needs(&|need| need.action == name))
            && is(&self.by, &|part| who.to_string().contains(part))
            && is(&self.at, &|part| {
                needs(&|need| {
                    need.resource.contains(part) || need.item.as_ref().is_some_and(|item| item.contains(part))
                })
            })
    }
}

/// Names a rule, to take it away or to ask how often it was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(usize);

/// The rules of one proxy.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Mutex<Vec<Active>>,
}

#[derive(Debug)]
struct Active {
    /// None: taken away.
    rule: Option<Rule>,
    n_fitting: u64,
    n_met: u64,
}

impl Faults {
    pub fn add(&self, rule: Rule) -> RuleId {
        let mut rules = self.rules();
        rules.push(Active { rule: Some(rule), n_fitting: 0, n_met: 0 });
        RuleId(rules.len() - 1)
    }

    pub fn remove(&self, id: RuleId) {
        self.rules()[id.0].rule = None;
    }

    pub fn clear(&self) {
        self.rules().iter_mut().for_each(|active| active.rule = None);
    }

    /// How many calls the rule has broken.
    pub fn n_met(&self, id: RuleId) -> u64 {
        self.rules()[id.0].n_met
    }

    pub(super) fn decide(&self, call: &Reading, who: &Who) -> Decision {
        let mut decision = Decision { delay: Duration::ZERO, act: None };
        for active in self.rules().iter_mut() {
            let Some(rule) = active.rule.as_ref().filter(|rule| rule.fits(call, who)) else { continue };
            active.n_fitting += 1;
            if decision.act.is_some() || !rule.when.is_met(active.n_fitting) {
                continue;
            }
            active.n_met += 1;
            match rule.act {
                Act::Delay(time) => decision.delay += time,
                act => decision.act = Some(act),
            }
        }
        decision
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Active>> {
        self.rules.lock().expect("nobody panics while holding the rules")
    }
}

/// What becomes of one call.
#[derive(Debug, PartialEq)]
pub(super) struct Decision {
    pub(super) delay: Duration,
    pub(super) act: Option<Act>,
}

impl Decision {
    /// For the journal; none: the call is left alone.
    pub(super) fn told(&self) -> Option<String> {
        match (self.act, self.delay) {
            (None, Duration::ZERO) => None,
            (None, delay) => Some(format!("{:?}", Act::Delay(delay))),
            (Some(act), _) => Some(format!("{act:?}")),
        }
    }
}

impl When {
    fn is_met(self, n: u64) -> bool {
        match self {
            Self::Always => true,
            Self::Nth(nth) => n == nth,
            Self::First(first) => n <= first,
            Self::Every(every) => n.is_multiple_of(every),
            Self::Chance { per_mille, seed } => drawn(seed, n) % 1000 < per_mille,
        }
    }
}

/// The nth number of a seed's stream (splitmix64).
fn drawn(seed: u64, n: u64) -> u64 {
    let z = seed.wrapping_add(n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::Need;
    use super::*;

    fn call(service: &str, operation: &str, action: &str, resource: &str) -> Reading {
        Reading { needs: vec![Need::new(action, resource)], ..Reading::named(service, operation) }
    }

    fn ingest() -> Who {
        Who::Own { name: "ingest".to_owned() }
    }

    #[test]
    fn a_rule_meets_the_calls_it_fits_and_no_others() {
        let put = call("s3", "PutObject", "s3:PutObject", "arn:aws:s3:::b/root/p1/landing/x");
        let rule = || Rule::new(Act::Drop, When::Always);
        let cases = [
            (rule(), true),
            (rule().service("s3").operation("PutObject").by("ingest").at("p1/landing"), true),
            (rule().operation("s3:PutObject"), true),
            (rule().service("sqs"), false),
            (rule().operation("GetObject"), false),
            (rule().by("compact"), false),
            (rule().at("p2/landing"), false),
        ];
        for (rule, fits) in cases {
            assert_eq!(rule.fits(&put, &ingest()), fits, "{rule:?}");
        }
    }

    #[test]
    fn a_rule_by_role_meets_the_sessions_of_that_role() {
        let role = "arn:aws:iam::222222222222:role/plimsoll-byo-a".to_owned();
        let session = Who::Session { role, assumed_by: "ingest".to_owned() };
        let put = call("s3", "PutObject", "s3:PutObject", "arn:aws:s3:::b/x");
        let rule = Rule::new(Act::Drop, When::Always).by("role/plimsoll-byo-a");
        assert!(rule.fits(&put, &session));
        assert!(!rule.fits(&put, &ingest()));
    }

    #[test]
    fn calls_are_counted_by_the_rule_they_fit() {
        let put = call("s3", "PutObject", "s3:PutObject", "arn:aws:s3:::b/x");
        let get = call("s3", "GetObject", "s3:GetObject", "arn:aws:s3:::b/x");
        let cases = [
            (When::Always, vec![1, 2, 3, 4, 5, 6]),
            (When::Nth(2), vec![2]),
            (When::First(2), vec![1, 2]),
            (When::Every(3), vec![3, 6]),
            (When::Chance { per_mille: 0, seed: 7 }, vec![]),
            (When::Chance { per_mille: 1000, seed: 7 }, vec![1, 2, 3, 4, 5, 6]),
        ];
        for (when, met) in cases {
            let faults = Faults::default();
            let id = faults.add(Rule::new(Act::Drop, when).operation("PutObject"));
            let mut seen = Vec::new();
            for n in 1..=6 {
                assert_eq!(faults.decide(&get, &ingest()).act, None);
                seen.extend(faults.decide(&put, &ingest()).act.map(|_| n));
            }
            assert_eq!((&seen, faults.n_met(id)), (&met, met.len() as u64), "{when:?}");
        }
    }

    #[test]
    fn chance_meets_about_as_many_as_it_says_and_the_same_again() {
        let draw = |seed| (1..=10_000).filter(|n| When::Chance { per_mille: 250, seed }.is_met(*n)).collect::<Vec<_>>();
        assert!((2_300..2_700).contains(&draw(1).len()), "{}", draw(1).len());
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn delays_add_up_before_the_first_fault_and_rules_can_be_taken_away() {
        let put = call("s3", "PutObject", "s3:PutObject", "arn:aws:s3:::b/x");
        let (faults, ms) = (Faults::default(), Duration::from_millis);
        faults.add(Rule::new(Act::Delay(ms(3)), When::Always));
        faults.add(Rule::new(Act::Delay(ms(4)), When::Always));
        let lose = faults.add(Rule::new(Act::LoseReply, When::Always));
        faults.add(Rule::new(Act::Drop, When::Always));
        assert_eq!(faults.decide(&put, &ingest()), Decision { delay: ms(7), act: Some(Act::LoseReply) });
        faults.remove(lose);
        assert_eq!(faults.decide(&put, &ingest()).act, Some(Act::Drop));
        faults.clear();
        assert_eq!(faults.decide(&put, &ingest()), Decision { delay: Duration::ZERO, act: None });
    }
}

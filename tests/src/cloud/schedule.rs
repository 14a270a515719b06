//! EventBridge Scheduler: fires a function with its input at its rate, or faster for tests. A tick whose function fails is
//! followed by the next one, as the template has it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clock::{Clock, SystemClock};
use tokio::task::AbortHandle;

use super::lambda::Lambda;

/// As a template has it.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// `sweep`, for people.
    pub name: String,
    pub function: String,
    pub expression: String,
    /// What the function gets, as it is.
    pub input: String,
}

/// How often, as far as it is known without a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    Period(Duration),
    /// `cron(..)`: at times of the day that a dev cloud does not wait for.
    Calendar,
}

impl Schedule {
    pub fn every(&self) -> Result<Every, UnknownExpression> {
        let unknown = || UnknownExpression(self.expression.clone());
        if self.expression.starts_with("cron(") {
            return Ok(Every::Calendar);
        }
        let rate = self.expression.strip_prefix("rate(").and_then(|rate| rate.strip_suffix(')')).ok_or_else(unknown)?;
        let (number, unit) = rate.split_once(' ').ok_or_else(unknown)?;
        let number: u64 = number.parse().map_err(|_| unknown())?;
        let seconds = match unit.trim_end_matches('s') {
            "minute" => 60,
            "hour" => 3_600,
            "day" => 86_400,
            _ => return Err(unknown()),
        };
        Ok(Every::Period(Duration::from_secs(number * seconds)))
    }

    /// Fires once and waits until the function has ended.
    pub async fn fire(&self, lambda: &Lambda) {
        let what = format!("schedule {}", self.name);
        // The journal has what became of it.
        let _ = lambda.invoke(&self.function, &what, Bytes::from(self.input.clone())).await;
    }
}

/// Neither a rate nor a calendar.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no rate(...) or cron(...)")]
pub struct UnknownExpression(String);

/// Fires until it is dropped.
pub struct Ticking(Vec<AbortHandle>);

impl Ticking {
    /// Those with a rate, `faster` times as often as they say; the first time after one period.
    pub fn start(schedules: &[Schedule], lambda: &Arc<Lambda>, faster: u32) -> Result<Self, UnknownExpression> {
        let mut tasks = Vec::new();
        for schedule in schedules {
            let Every::Period(period) = schedule.every()? else { continue };
            let (schedule, lambda) = (schedule.clone(), Arc::clone(lambda));
            let tick = async move {
                loop {
                    SystemClock.sleep(period / faster).await;
                    schedule.fire(&lambda).await;
                }
            };
            tasks.push(tokio::spawn(tick).abort_handle());
        }
        Ok(Self(tasks))
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_as_eventbridge_reads_them() {
        let period = |seconds| Some(Every::Period(Duration::from_secs(seconds)));
        let cases = [
            ("rate(1 minute)", period(60)),
            ("rate(15 minutes)", period(900)),
            ("rate(2 days)", period(172_800)),
            ("cron(20 1 * * ? *)", Some(Every::Calendar)),
            ("rate(1)", None),
            ("every minute", None),
        ];
        for (expression, expected) in cases {
            let schedule =
                Schedule { name: "s".into(), function: "f".into(), expression: expression.into(), input: "{}".into() };
            assert_eq!(schedule.every().ok(), expected, "{expression}");
        }
    }
}

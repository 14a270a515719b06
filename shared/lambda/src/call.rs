//! The one call under way.

use std::time::Duration;

use clock::Clock;
use lambda_runtime::Context;
use model::Micros;

/// Kept back of a call's time, so that the answer is out before Lambda ends the process.
const ANSWER_MARGIN: Duration = Duration::from_secs(1);

/// Who calls and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Lambda's name of it, in every line of the log.
    pub request_id: String,
    /// Work is to stop by then: Lambda's deadline less a margin for the answer.
    pub stop_at: Micros,
}

impl Call {
    /// Until `stop_at`, which a call that is over has behind it.
    pub fn time_left(&self, clock: &dyn Clock) -> Duration {
        Duration::from_micros(u64::try_from(self.stop_at - clock.now()).unwrap_or(0))
    }
}

impl From<&Context> for Call {
    fn from(context: &Context) -> Self {
        let deadline = Duration::from_millis(context.deadline).saturating_sub(ANSWER_MARGIN);
        Self {
            request_id: context.request_id.clone(),
            stop_at: Micros::try_from(deadline.as_micros()).unwrap_or(Micros::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use clock::ManualClock;

    use super::*;

    #[test]
    fn work_stops_a_second_before_the_deadline() {
        let mut context = Context::default();
        context.deadline = 30_000;
        let call = Call::from(&context);
        for (now, left) in [(0, 29_000), (28_999_000, 1), (29_000_000, 0), (31_000_000, 0)] {
            assert_eq!(call.time_left(&ManualClock::new(now)), Duration::from_millis(left), "at {now}");
        }
    }
}

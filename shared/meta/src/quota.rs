//! What a project may send: requests a second, and decompressed bytes a UTC day.
//!
//! | partition | sort key | item |
//! |---|---|---|
//! | `usage/<date>` | `<project id>` | `{v: 1, bytes, recent}`; expires after [`USAGE_KEPT`] |
//!
//! Precision. Requests are counted by each process for itself, in a bucket that holds one second's worth. Bytes are
//! counted in memory and added to the item by [`Quota::settle`], which also learns what others counted; so the day's
//! limit is overshot by what all processes take between two settlings, and a killed process forgets that much. Each
//! settling has a name; the item keeps the last [`RECENT_MAX`] in `recent`, so one whose reply was lost, or that was not
//! waited for, is found there and counted once. Bytes count when they are admitted, whatever becomes of the request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::{Clock, Ids, RandomIds};
use model::{MICROS_PER_DAY, Micros, ProjectId, ProjectSettings, day_of, rfc3339};
use serde::{Deserialize, Serialize};

use crate::items::{attributes, parse};
use crate::{Condition, ItemKey, ItemStore, Operation, StoreError};

/// How often [`Quota::settle`] is to be called.
pub const SETTLE_EVERY: Duration = Duration::from_secs(10);
/// How long a day's usage can be looked up.
pub const USAGE_KEPT: Duration = Duration::from_secs(40 * 24 * 3600);
/// What a caller is told who may send nothing at all.
const RETRY_NEVER_S: u64 = 3_600;
/// Settlings of all processes that an item names: more than go on at once.
const RECENT_MAX: usize = 16;
const FORMAT: u32 = 1;

/// A limit is used up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limit {limit} is used up: {what}")]
pub struct QuotaRefusal {
    /// Its name in the project's settings.
    pub limit: &'static str,
    pub what: String,
    /// When to try again; at least 1.
    pub retry_after_s: u64,
}

/// The counters of one process.
pub struct Quota {
    store: Arc<dyn ItemStore>,
    clock: Arc<dyn Clock>,
    /// The names of settlings begin with it; none of any other process does.
    process: String,
    next: AtomicU64,
    meters: Mutex<HashMap<ProjectId, Meter>>,
}

struct Meter {
    /// As last seen in the settings.
    requests_per_second_max: u32,
    /// Requests that may come at once.
    tokens: f64,
    filled_at: Duration,
    /// Days since 1970 that `bytes` and `unsettled` are of.
    day: i32,
    /// All that is known of, ours included.
    bytes: u64,
    /// Those not yet known to be in the item.
    unsettled: u64,
    /// Of these, those on their way there.
    under_way: Option<Settling>,
}

/// Bytes on their way into an item, under one name however often they are sent.
#[derive(Clone)]
struct Settling {
    name: String,
    bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    v: u32,
    bytes: u64,
    /// The last settlings, the newest last.
    #[serde(default)]
    recent: Vec<String>,
}

impl Quota {
    pub fn new(store: Arc<dyn ItemStore>, clock: Arc<dyn Clock>) -> Self {
        let process = RandomIds.fresh().split_off(16);
        Self { store, clock, process, next: AtomicU64::new(0), meters: Mutex::default() }
    }

    /// Takes one request of the second's worth. The limit is the one last seen by [`Quota::admit_bytes`].
    pub fn admit_request(&self, project: &ProjectId) -> Result<(), QuotaRefusal> {
        self.with_meter(project, |meter, _| meter.take_request())
    }

    /// Takes decompressed bytes of the day's worth; refused, nothing is taken.
    pub fn admit_bytes(&self, project: &ProjectId, settings: &ProjectSettings, bytes: u64) -> Result<(), QuotaRefusal> {
        self.with_meter(project, |meter, now| {
            meter.requests_per_second_max = settings.requests_per_second_max;
            meter.take_bytes(settings.bytes_per_day_max, bytes, now)
        })
    }

    /// Adds what was counted to the store and learns what others counted. Trouble is told, and made up for next time.
    pub async fn settle(&self) {
        for (project, day, settling) in self.unsettled() {
            match self.add(&project, day, &settling).await {
                Ok(total) => self.settled(&project, day, settling.bytes, total),
                Err(error) if error.is_condition() => {}
                Err(error) => tracing::warn!(%project, error = &error as &dyn std::error::Error, "usage not stored"),
            }
        }
    }

    /// Decompressed bytes taken on the UTC day of `at`, as of the last settling.
    pub async fn bytes_of_day(&self, project: &ProjectId, at: Micros) -> Result<u64, StoreError> {
        let item = self.store.get(&usage_key(project, day_of(at))).await?;
        item.as_ref()
            .map(|item| parse(item).map(|stored: Stored| stored.bytes))
            .transpose()
            .map(Option::unwrap_or_default)
    }

    /// The day's total after this was added; on condition of the version that was read, so that an earlier try of the same
    /// which has not landed by then never does.
    async fn add(&self, project: &ProjectId, day: i32, settling: &Settling) -> Result<u64, StoreError> {
        let key = usage_key(project, day);
        let (mut stored, condition) = match self.store.get(&key).await? {
            Some(item) => (parse::<Stored>(&item)?, Condition::Version(item.version)),
            None => (Stored { v: FORMAT, bytes: 0, recent: Vec::new() }, Condition::Absent),
        };
        if stored.recent.contains(&settling.name) {
            return Ok(stored.bytes);
        }
        stored.bytes = stored.bytes.saturating_add(settling.bytes);
        stored.recent.drain(..(stored.recent.len() + 1).saturating_sub(RECENT_MAX));
        stored.recent.push(settling.name.clone());
        let total = stored.bytes;
        let kept = Micros::try_from(USAGE_KEPT.as_micros()).unwrap_or(Micros::MAX);
        let put = Operation::put(key, attributes(&stored));
        self.store.write(put.expiring(start_of(day) + kept).when(condition)).await?;
        Ok(total)
    }

    /// Counters of other days are dropped here: those bytes limit nothing any more.
    fn unsettled(&self) -> Vec<(ProjectId, i32, Settling)> {
        let today = day_of(self.clock.now());
        let mut meters = self.meters();
        meters.retain(|_, meter| meter.day == today);
        let due = meters.iter_mut().filter(|(_, meter)| meter.unsettled > 0);
        due.map(|(project, meter)| {
            let fresh = || Settling { name: self.name(), bytes: meter.unsettled };
            (project.clone(), meter.day, meter.under_way.get_or_insert_with(fresh).clone())
        })
        .collect()
    }

    fn settled(&self, project: &ProjectId, day: i32, bytes: u64, total: u64) {
        if let Some(meter) = self.meters().get_mut(project)
            && meter.day == day
        {
            meter.unsettled -= bytes;
            meter.under_way = None;
            meter.bytes = total.saturating_add(meter.unsettled);
        }
    }

    fn name(&self) -> String {
        format!("{}-{:x}", self.process, self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn with_meter<T>(&self, project: &ProjectId, act: impl FnOnce(&mut Meter, Micros) -> T) -> T {
        let (now, uptime) = (self.clock.now(), self.clock.uptime());
        let mut meters = self.meters();
        let meter = match meters.get_mut(project) {
            Some(meter) => meter,
            None => meters.entry(project.clone()).or_insert_with(|| Meter::new(uptime, day_of(now))),
        };
        meter.advance(uptime, day_of(now));
        act(meter, now)
    }

    fn meters(&self) -> MutexGuard<'_, HashMap<ProjectId, Meter>> {
        self.meters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter {
    fn new(uptime: Duration, day: i32) -> Self {
        let requests_per_second_max = ProjectSettings::default().requests_per_second_max;
        Self {
            requests_per_second_max,
            tokens: f64::from(requests_per_second_max),
            filled_at: uptime,
            day,
            bytes: 0,
            unsettled: 0,
            under_way: None,
        }
    }

    fn advance(&mut self, uptime: Duration, day: i32) {
        let rate = f64::from(self.requests_per_second_max);
        let elapsed = uptime.saturating_sub(self.filled_at);
        self.tokens = (self.tokens + elapsed.as_secs_f64() * rate).min(rate);
        self.filled_at = uptime;
        if self.day != day {
            (self.day, self.bytes, self.unsettled, self.under_way) = (day, 0, 0, None);
        }
    }

    fn take_request(&mut self) -> Result<(), QuotaRefusal> {
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        let max = self.requests_per_second_max;
        Err(QuotaRefusal {
            limit: "requests_per_second_max",
            what: format!("at most {max} requests a second"),
            // A second fills the whole bucket.
            retry_after_s: if max == 0 { RETRY_NEVER_S } else { 1 },
        })
    }

    fn take_bytes(&mut self, max: u64, bytes: u64, now: Micros) -> Result<(), QuotaRefusal> {
        let total = self.bytes.saturating_add(bytes);
        if total > max {
            let midnight = start_of(self.day) + MICROS_PER_DAY;
            let until = u64::try_from(midnight - now).unwrap_or(0).div_ceil(1_000_000);
            return Err(QuotaRefusal {
                limit: "bytes_per_day_max",
                what: format!("{} of {max} decompressed bytes were taken this UTC day, {bytes} more asked", self.bytes),
                retry_after_s: until.max(1),
            });
        }
        self.bytes = total;
        self.unsettled += bytes;
        Ok(())
    }
}

fn start_of(day: i32) -> Micros {
    Micros::from(day) * MICROS_PER_DAY
}

fn usage_key(project: &ProjectId, day: i32) -> ItemKey {
    let date: String = rfc3339(start_of(day)).chars().take("2026-11-20".len()).collect();
    ItemKey::new(format!("usage/{date}"), project.as_str())
}

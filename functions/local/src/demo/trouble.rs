//! What is wrong in the shop, and when: the things that a person should find in its telemetry.
//!
//! | trouble | where it shows |
//! |---|---|
//! | From 18:00 to 18:20 UTC each day four of five charges through the card provider `nordpay` time out after 10 s | `payment` and `checkout` spans with status ERROR and exceptions, 502 at `web`, ERROR logs |
//! | Since the last deploy of `inventory` (1.8.2 to 1.9.0) `SELECT stock` scans a table: 40 times slower | durations of `inventory`'s spans with db.query.summary `SELECT stock_levels`, by service.version |
//! | `recommendation` leaks memory until it is killed at 04:00 UTC | `k8s.pod.memory.usage`, a FATAL log at 04:00 |
//! | `cart` warns of each cache miss six times: nearly half of all log lines, none of any use | `log_pattern(body)` by count |
//! | From 02:00 to 02:30 UTC each day the bot `PriceScout/1.2` asks for products that are not there | 404 by user_agent.original |

use model::{MICROS_PER_DAY, Micros};

const MINUTE: Micros = 60_000_000;

/// The card provider that fails.
pub const FAILING_PROVIDER: &str = "nordpay";
/// Share of its charges that fail in the window.
pub(super) const FAILING_SHARE: f64 = 0.8;
/// How much slower the stock query is since the deploy.
pub(super) const STOCK_SLOWDOWN: f64 = 40.0;
/// Who asks for what is not there.
pub const BOT: &str = "PriceScout/1.2 (+https://pricescout.example/bot)";
/// Requests of the bot for each ordinary one.
pub(super) const BOT_SHARE: f64 = 1.5;
/// Bytes that `recommendation` has leaked when it is killed.
const LEAK_BYTES: f64 = 1.6e9;
/// Warnings of `cart` for one cache miss.
pub(super) const WARNINGS_PER_MISS: usize = 6;

/// True while charges of [`FAILING_PROVIDER`] time out: 18:00 to 18:20 UTC.
pub fn provider_is_failing(at: Micros) -> bool {
    (18 * 60..18 * 60 + 20).contains(&minute_of_day(at))
}

/// True while the bot is at work: 02:00 to 02:30 UTC.
pub fn bot_is_here(at: Micros) -> bool {
    (2 * 60..2 * 60 + 30).contains(&minute_of_day(at))
}

/// When `recommendation` was last killed: 04:00 UTC.
pub fn last_killed(at: Micros) -> Micros {
    const FOUR: Micros = 4 * 60 * MINUTE;
    (at - FOUR).div_euclid(MICROS_PER_DAY) * MICROS_PER_DAY + FOUR
}

/// Bytes leaked since then.
pub(super) fn leaked_bytes(at: Micros) -> f64 {
    (at - last_killed(at)) as f64 / MICROS_PER_DAY as f64 * LEAK_BYTES
}

fn minute_of_day(at: Micros) -> i64 {
    at.rem_euclid(MICROS_PER_DAY) / MINUTE
}

//! What the function is set to, read once.

use std::str::FromStr;
use std::time::Duration;

use aws::S3Root;
use boot::{Env, List, Period};
use model::Micros;

use crate::Settings;

const MIB: u64 = 1 << 20;
/// Of the function's memory, what compaction may take; the rest is the process, its code and its connections.
const MEMORY_SHARE: u64 = 2;
/// Memory for each table worked on side by side.
const TABLE_MEMORY: u64 = 384 * MIB;
const TABLES_AT_ONCE_MAX: u64 = 8;

#[derive(Clone, Debug)]
pub struct Config {
    /// The metadata store.
    pub table: String,
    /// Where projects keep their objects that have no bucket of their own.
    pub root: S3Root,
    /// Browser origins that may ask.
    pub cors_origins: Vec<String>,
    pub settings: Settings,
}

impl Config {
    /// None: something is missing or does not read, which `env` remembers.
    pub fn read(env: &mut Env) -> Option<Self> {
        let defaults = Settings::default();
        let table = env.required("PLIMSOLL_TABLE");
        let root = env.required("PLIMSOLL_ROOT");
        let cors_origins = env.optional("PLIMSOLL_CORS_ORIGINS", List::default());
        let memory_mib: Option<u64> = env.required("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
        let age = Period(Duration::from_micros(u64::try_from(defaults.due.age).unwrap_or(0)));
        let compact_after = env.optional("PLIMSOLL_COMPACT_AFTER", age);
        let vacuum_horizon = env.optional("PLIMSOLL_VACUUM_HORIZON", Period(defaults.vacuum_horizon));
        let log_kept = env.optional("PLIMSOLL_LOG_KEPT", LogKept(defaults.log_kept));
        let mut settings = within_memory(defaults, memory_mib? * MIB);
        settings.due.age = Micros::try_from(compact_after?.0.as_micros()).unwrap_or(Micros::MAX);
        settings.vacuum_horizon = vacuum_horizon?.0;
        settings.log_kept = log_kept?.0;
        Some(Self { table: table?, root: root?, cors_origins: cors_origins?.0, settings })
    }
}

/// How long entries of the Delta log are kept: at least as long as repair looks back for what a commit took in.
struct LogKept(Duration);

impl FromStr for LogKept {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Period(kept) = text.parse()?;
        let least = Settings::default().log_kept;
        match kept >= least {
            true => Ok(Self(kept)),
            false => Err(format!("`{text}` is shorter than {} h, which repair needs", least.as_secs() / 3_600)),
        }
    }
}

/// Budgets of a function with so much memory: a batch never takes more than all tables may together.
fn within_memory(defaults: Settings, function_bytes: u64) -> Settings {
    let memory_bytes = function_bytes / MEMORY_SHARE;
    let share = |of: u64| of.min(memory_bytes.saturating_mul(of) / defaults.memory_bytes.max(1));
    Settings {
        batch_bytes_max: share(defaults.batch_bytes_max),
        batch_decoded_bytes_max: share(defaults.batch_decoded_bytes_max),
        tables_at_once: usize::try_from((memory_bytes / TABLE_MEMORY).clamp(1, TABLES_AT_ONCE_MAX)).unwrap_or(1),
        memory_bytes,
        ..defaults
    }
}

#[cfg(test)]
mod tests {
    use std::env::VarError;

    use super::*;

    fn read(pairs: &'static [(&'static str, &'static str)]) -> Result<Config, boot::EnvError> {
        let mut env = Env::with(move |name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned()).ok_or(VarError::NotPresent)
        });
        let config = Config::read(&mut env);
        env.finish(|| config)
    }

    #[test]
    fn everything_that_is_missing_is_said_at_once() {
        let error = read(&[("PLIMSOLL_COMPACT_AFTER", "soon")]).expect_err("three missing, one wrong");
        assert_eq!(error.problems.len(), 4, "{error}");
    }

    #[test]
    fn a_log_too_short_for_repair_is_refused() {
        let error = read(&[("PLIMSOLL_LOG_KEPT", "47h")]).expect_err("too short").to_string();
        assert!(error.contains("PLIMSOLL_LOG_KEPT does not read: `47h` is shorter than 48 h"), "{error}");
        let error = read(&[("PLIMSOLL_LOG_KEPT", "3d")]).expect_err("others are missing").to_string();
        assert!(!error.contains("PLIMSOLL_LOG_KEPT"), "{error}");
    }

    #[test]
    fn budgets_follow_the_function_s_memory_and_never_exceed_the_defaults_of_a_batch() {
        for (memory, tables_at_once, batch_mib) in [("1769", 2, 41), ("3008", 3, 48), ("10240", 8, 48)] {
            let pairs = Box::leak(Box::new([
                ("PLIMSOLL_TABLE", "t"),
                ("PLIMSOLL_ROOT", "s3://bucket/projects"),
                ("PLIMSOLL_COMPACT_AFTER", "2m"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory),
            ]));
            let Settings { due, batch_bytes_max, memory_bytes, tables_at_once: at_once, log_kept, .. } =
                read(pairs).expect("complete").settings;
            assert_eq!((at_once, batch_bytes_max / MIB), (tables_at_once, batch_mib), "{memory}");
            assert!(batch_bytes_max * 12 <= memory_bytes, "{memory}: a build takes twelve times its segments");
            assert_eq!((due.age, log_kept), (120_000_000, Duration::from_secs(48 * 3600)));
        }
    }
}

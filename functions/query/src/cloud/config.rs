//! What the function is set to, read once.

use std::path::PathBuf;

use aws::S3Root;
use boot::{Env, List};
use cache::{DiskLimits, Limits};

use super::Edge;
use crate::settings::{Delivery, Settings};

const MIB: u64 = 1 << 20;
/// Of the bytes that Lambda takes as an answer; the rest is for what stands around a body.
const ANSWER_BYTES_MAX: usize = 6_000_000;
/// A folder of the function's own, on the only disk it may write to.
const SPILL_DIR: &str = "/tmp/plimsoll-query";
/// The same, for what was read of objects: as long as the process lives, and the next one in the same place finds it.
const CACHE_DIR: &str = "/tmp/plimsoll-cache";
/// All of /tmp that queries leave, however large it is.
const CACHE_BYTES_DEFAULT: u64 = 10 << 30;
/// For whoever else writes to /tmp.
const TMP_FREE_BYTES_MIN: u64 = 16 * MIB;
/// What is safe on the smallest /tmp there is.
const SPILL_BYTES_DEFAULT: u64 = 384 * MIB;
/// Memory that comes with one processor.
const MIB_PER_PROCESSOR: u64 = 1_769;
/// Lambda calls a process with one request at a time; those of a query that was given up may still end.
const RUNNING_MAX: usize = 4;

#[derive(Clone, Debug)]
pub struct Config {
    /// The metadata store.
    pub table: String,
    /// Where projects keep their objects that have no bucket of their own.
    pub root: S3Root,
    /// Browser origins that may ask.
    pub cors_origins: Vec<String>,
    pub edge: Edge,
    pub settings: Settings,
}

impl Config {
    /// None: something is missing or does not read, which `env` remembers.
    pub fn read(env: &mut Env) -> Option<Self> {
        let table = env.required("PLIMSOLL_TABLE");
        let root = env.required("PLIMSOLL_ROOT");
        let cors_origins = env.optional("PLIMSOLL_CORS_ORIGINS", List::default());
        let edge = env.required("PLIMSOLL_QUERY_ANSWER");
        let spill_bytes_max = env.optional("PLIMSOLL_SPILL_BYTES_MAX", SPILL_BYTES_DEFAULT);
        let cache_bytes_max = env.optional("PLIMSOLL_CACHE_BYTES_MAX", CACHE_BYTES_DEFAULT);
        let memory_mib: Option<u64> = env.required("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
        let edge = edge?;
        let settings = settings(edge, memory_mib?, spill_bytes_max?, cache_bytes_max?);
        Some(Self { table: table?, root: root?, cors_origins: cors_origins?.0, edge, settings })
    }
}

/// Limits of a function with so much memory. What is decoded lies outside of a query's budget, so that is not all there is.
fn settings(edge: Edge, memory_mib: u64, spill_bytes_max: u64, cache_bytes_max: u64) -> Settings {
    let defaults = Settings::new(PathBuf::from(SPILL_DIR));
    let memory = memory_mib * MIB;
    let disk = DiskLimits {
        folder: CACHE_DIR.into(),
        bytes_max: cache_bytes_max,
        left_bytes: spill_bytes_max.saturating_add(TMP_FREE_BYTES_MIN),
        free_bytes_min: TMP_FREE_BYTES_MIN,
    };
    let bytes = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    Settings {
        memory_bytes: bytes(memory * 2 / 5),
        spill_bytes_max,
        result_bytes_max: defaults.result_bytes_max.min(bytes(memory / 24)),
        running_max: RUNNING_MAX,
        running_per_project_max: RUNNING_MAX,
        // Half of what a scan does is waiting for the store.
        threads: bytes(memory_mib.div_ceil(MIB_PER_PROCESSOR)).max(2),
        cache: Limits { disk: (cache_bytes_max > 0).then_some(disk), ..Limits::in_memory(memory / 16) },
        delivery: match edge {
            Edge::HttpApi => Delivery::OnePiece { bytes_max: ANSWER_BYTES_MAX },
            Edge::FunctionUrl => Delivery::Streamed,
        },
        ..defaults
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::env::VarError;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, boot::EnvError> {
        let pairs: BTreeMap<String, String> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut env = Env::with(move |name| pairs.get(name).cloned().ok_or(VarError::NotPresent));
        let config = Config::read(&mut env);
        env.finish(|| config)
    }

    #[test]
    fn everything_that_is_missing_or_wrong_is_said_at_once() {
        let error = read(&[("PLIMSOLL_QUERY_ANSWER", "whole"), ("PLIMSOLL_SPILL_BYTES_MAX", "much")]).expect_err("no");
        assert_eq!(error.problems.len(), 5, "{error}");
        assert!(error.to_string().contains("there are buffered"), "{error}");
    }

    #[test]
    fn limits_follow_the_function_s_memory_and_its_edge() {
        for (memory, threads, result_mib) in [("1024", 2, 42), ("3008", 2, 64), ("10240", 6, 64)] {
            let pairs = [
                ("PLIMSOLL_TABLE", "t"),
                ("PLIMSOLL_ROOT", "s3://bucket/projects"),
                ("PLIMSOLL_QUERY_ANSWER", if memory == "1024" { "streamed" } else { "buffered" }),
                ("PLIMSOLL_SPILL_BYTES_MAX", "1000"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory),
            ];
            let settings = read(&pairs).expect("complete").settings;
            assert_eq!((settings.threads, settings.result_bytes_max >> 20), (threads, result_mib), "{memory}");
            assert_eq!(settings.delivery == Delivery::Streamed, memory == "1024");
            // An answer may be there twice: as rows, and as text.
            let all = settings.memory_bytes as u64 + settings.cache.memory_bytes + 2 * settings.result_bytes_max as u64;
            assert!(all * 4 < memory.parse::<u64>().expect("a number") * MIB * 3, "{memory}: {all}");
            assert_eq!(settings.spill_bytes_max, 1_000);
            let disk = settings.cache.disk.expect("on by default");
            assert_eq!(disk.left_bytes - disk.free_bytes_min, 1_000, "room to spill is left, whatever is free");
        }
    }
}

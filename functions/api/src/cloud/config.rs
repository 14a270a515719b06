//! What the function reads from its environment, once.

use aws::S3Root;
use boot::{Env, List};
use model::ProjectSettings;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The DynamoDB table.
    pub table: String,
    /// Where projects without a bucket of their own have their data.
    pub root: S3Root,
    pub cors_origins: Vec<String>,
    /// Of new projects.
    pub settings: ProjectSettings,
}

impl Config {
    /// None: something is missing or does not read, as `env` says.
    pub fn read(env: &mut Env) -> Option<Self> {
        let table = env.required("PLIMSOLL_TABLE");
        let root = env.required("PLIMSOLL_ROOT");
        let cors_origins = env.optional("PLIMSOLL_CORS_ORIGINS", List::default());
        let settings = settings(env);
        Some(Self { table: table?, root: root?, cors_origins: cors_origins?.0, settings: settings? })
    }
}

fn settings(env: &mut Env) -> Option<ProjectSettings> {
    let usual = ProjectSettings::default();
    let requests = env.optional("PLIMSOLL_DEFAULT_REQUESTS_PER_SECOND_MAX", usual.requests_per_second_max);
    let bytes = env.optional("PLIMSOLL_DEFAULT_BYTES_PER_DAY_MAX", usual.bytes_per_day_max);
    let days = env.optional("PLIMSOLL_DEFAULT_RETENTION_DAYS_LOGS_AND_SPANS", usual.retention_days_logs_and_spans);
    let metrics_days = env.optional("PLIMSOLL_DEFAULT_RETENTION_DAYS_METRICS", usual.retention_days_metrics);
    Some(ProjectSettings {
        retention_days_logs_and_spans: days?,
        retention_days_metrics: metrics_days?,
        requests_per_second_max: requests?,
        bytes_per_day_max: bytes?,
    })
}

//! What the function reads from its environment, once.

use aws::S3Root;
use boot::{Env, List};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The DynamoDB table.
    pub table: String,
    pub root: S3Root,
    /// Of the SQS queue that takes triggers.
    pub queue_url: String,
    pub cors_origins: Vec<String>,
    /// What Lambda gives the process.
    pub memory_bytes: usize,
}

impl Config {
    /// None: something is missing or does not read, as `env` says.
    pub fn read(env: &mut Env) -> Option<Self> {
        let table = env.required("PLIMSOLL_TABLE");
        let root = env.required("PLIMSOLL_ROOT");
        let queue_url = env.required("PLIMSOLL_QUEUE_URL");
        let cors_origins = env.optional("PLIMSOLL_CORS_ORIGINS", List::default());
        let memory_mb = env.required::<usize>("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
        Some(Self {
            table: table?,
            root: root?,
            queue_url: queue_url?,
            cors_origins: cors_origins?.0,
            memory_bytes: memory_mb? << 20,
        })
    }
}

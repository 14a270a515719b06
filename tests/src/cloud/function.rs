//! What Lambda is told of a function.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A function as a template configures it, with the program that its zip would hold.
#[derive(Clone, Debug)]
pub struct Function {
    pub name: String,
    /// The `bootstrap`.
    pub program: PathBuf,
    /// Beside what Lambda itself sets.
    pub environment: BTreeMap<String, String>,
    /// An invocation that takes longer is killed.
    pub timeout: Duration,
    pub memory_mib: u64,
    /// Invocations at once; more are throttled.
    pub concurrency_max: usize,
}

impl Function {
    /// With what Lambda assumes where a template says nothing, but for the concurrency, which suits one machine.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            environment: BTreeMap::new(),
            timeout: Duration::from_secs(3),
            memory_mib: 128,
            concurrency_max: 8,
        }
    }

    /// As AWS writes it into the header of each invocation.
    pub fn arn(&self) -> String {
        format!("arn:aws:lambda:{}:{}:function:{}", super::REGION, super::ACCOUNT, self.name)
    }
}

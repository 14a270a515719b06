//! How a process of ours starts and stops: settings from the environment, a log, a signal to end.

mod env;
mod log;
mod period;
mod shutdown;

pub use env::{Env, EnvError, List};
pub use log::{LogError, LogFormat, start_log};
pub use period::Period;
pub use shutdown::shutdown_signal;
pub use tokio_util::sync::CancellationToken;

//! The end: SIGINT (Ctrl-C) and SIGTERM cancel a token, and whoever works looks at it.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a shell expects of a process that Ctrl-C ended at once.
const EXIT_INTERRUPTED: i32 = 130;

/// A token that the first signal cancels. The second ends the process at once: what is acknowledged is on the disk.
///
/// To be called inside a Tokio runtime.
pub fn shutdown_signal() -> io::Result<CancellationToken> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminates = signal(SignalKind::terminate())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = interrupts.recv() => {}
                _ = terminates.recv() => {}
            }
        };
        next().await;
        tracing::info!("stopping; once more stops at once");
        cancelled.cancel();
        next().await;
        std::process::exit(EXIT_INTERRUPTED);
    });
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_signal_cancels_the_token() {
        let token = shutdown_signal().expect("signals");
        assert!(!token.is_cancelled());
        let killed = std::process::Command::new("kill")
            .args(["-TERM", &std::process::id().to_string()])
            .status()
            .expect("kill is there");
        assert!(killed.success());
        token.cancelled().await;
    }
}

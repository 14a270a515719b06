//! A command that is slow to answer says once, beside the answer, what it may be waiting for.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::Screen;

/// What `act` answers; `remark` goes to stderr if that takes longer than `patience`.
pub(super) fn remark_after<T: Send>(
    patience: Duration,
    remark: &str,
    screen: &mut Screen,
    act: impl FnOnce() -> T + Send,
) -> T {
    thread::scope(|scope| {
        // Never sent on: it is gone when the act has ended, in whatever way.
        let (at_work, ended) = mpsc::channel::<()>();
        let acting = scope.spawn(move || {
            let _at_work = at_work;
            act()
        });
        if ended.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            screen.remark(remark);
        }
        acting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use super::*;
    use crate::cli::Hints;

    /// Tells of what is written to it.
    struct Told(mpsc::Sender<String>);

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8_lossy(bytes).into_owned()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_takes_too_long_is_remarked_on_before_it_ends_and_the_rest_is_silent() {
        let (told, heard) = mpsc::channel();
        let mut screen = Screen { out: &mut io::sink(), err: &mut Told(told), width: None, hints: Hints::default() };
        // Ends only when the remark was heard.
        let said = remark_after(Duration::ZERO, "it waits", &mut screen, move || heard.recv());
        assert_eq!(said.as_deref(), Ok("it waits"));

        let mut err = Vec::new();
        let mut screen = Screen { out: &mut io::sink(), err: &mut err, width: None, hints: Hints::default() };
        assert_eq!(remark_after(Duration::from_secs(600), "it waits", &mut screen, || 7), 7);
        assert!(err.is_empty());
    }
}

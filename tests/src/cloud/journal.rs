//! What the functions did and said: one record an invocation, and their last lines of output.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::invocation::Invoked;

/// Of all functions together; older ones are forgotten.
const LINES_MAX: usize = 20_000;
const INVOKED_MAX: usize = 100_000;

/// What CloudWatch would hold.
#[derive(Default)]
pub struct Journal {
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    invoked: VecDeque<Invoked>,
    n_invoked: usize,
    lines: VecDeque<(String, String)>,
}

impl Journal {
    /// Every invocation that has ended, but for the first `n`.
    pub fn invoked_after(&self, n: usize) -> Vec<Invoked> {
        let pages = self.pages.lock().expect("not poisoned");
        let forgotten = pages.n_invoked - pages.invoked.len();
        pages.invoked.iter().skip(n.saturating_sub(forgotten)).cloned().collect()
    }

    /// The invocations of a function that have ended.
    pub fn invoked(&self, function: &str) -> Vec<Invoked> {
        let mut all = self.invoked_after(0);
        all.retain(|invoked| invoked.function == function);
        all
    }

    /// The last lines that a function wrote to stdout or stderr.
    pub fn lines(&self, function: &str) -> Vec<String> {
        let pages = self.pages.lock().expect("not poisoned");
        pages.lines.iter().filter(|(by, _)| by == function).map(|(_, line)| line.clone()).collect()
    }

    pub(crate) fn ended(&self, invoked: Invoked) {
        let mut pages = self.pages.lock().expect("not poisoned");
        pages.n_invoked += 1;
        pages.invoked.push_back(invoked);
        if pages.invoked.len() > INVOKED_MAX {
            pages.invoked.pop_front();
        }
    }

    pub(crate) fn said(&self, function: &str, line: String) {
        let mut pages = self.pages.lock().expect("not poisoned");
        pages.lines.push_back((function.to_owned(), line));
        if pages.lines.len() > LINES_MAX {
            pages.lines.pop_front();
        }
    }
}

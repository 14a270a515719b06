//! What went through the proxy: in memory for the test that asks, and as JSON lines for the checks over a whole run.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use serde::{Deserialize, Serialize};

use super::{AccessKey, Call, Who};
use crate::cloud::policy::Names;

/// Names the folder into which the proxies of one test run write their journals; `tests/run` makes a fresh one.
const FOLDER: &str = "PLIMSOLL_JOURNALS";

/// A line of a written journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// What the resources of the template are called where the calls that follow were made.
    Names(Names),
    Call(Box<Call>),
}

/// The calls of one proxy. A call is in it from when it ended, one that its caller gave up too.
#[derive(Debug, Default)]
pub struct Journal {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    calls: Vec<Call>,
    /// Who holds the sessions that the emulated STS issued.
    sessions: HashMap<AccessKey, Who>,
    file: Option<File>,
}

impl Journal {
    /// All calls that ended so far, in this order.
    pub fn calls(&self) -> Vec<Call> {
        self.inner().calls.clone()
    }

    /// How many ended so far: where [`Journal::since`] goes on later.
    pub fn len(&self) -> usize {
        self.inner().calls.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The calls that ended after the first `mark` of them.
    pub fn since(&self, mark: usize) -> Vec<Call> {
        self.inner().calls[mark..].to_vec()
    }

    /// From now on each call is written too, at once, so that a killed test leaves what it had. The file must be new.
    pub fn write_to(&self, path: &Path, names: Names) -> std::io::Result<()> {
        let mut file = OpenOptions::new().create_new(true).append(true).open(path)?;
        write_line(&mut file, &Line::Names(names))?;
        self.inner().file = Some(file);
        Ok(())
    }

    pub(super) fn who(&self, access_key: Option<&str>) -> Who {
        let session = access_key.and_then(|id| self.inner().sessions.get(id).cloned());
        session.unwrap_or_else(|| Who::of(access_key))
    }

    pub(super) fn ended(&self, call: Call) {
        let mut inner = self.inner();
        if let Some(file) = &mut inner.file {
            write_line(file, &Line::Call(Box::new(call.clone()))).expect("the journal's folder can be written to");
        }
        inner.calls.push(call);
    }

    pub(super) fn session_issued(&self, access_key: &str, role: &str, to: &Who) {
        let assumed_by = to.process().unwrap_or("a stranger").to_owned();
        let who = Who::Session { role: role.to_owned(), assumed_by };
        self.inner().sessions.insert(access_key.to_owned(), who);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics while holding the journal")
    }
}

/// Where a proxy named `name` (one name, one proxy) writes its journal in this test run; none: nobody collects them.
pub fn journal_of_this_run(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(FOLDER)?;
    Some(PathBuf::from(folder).join(format!("{name}-{}.jsonl", std::process::id())))
}

/// A written journal. The last line of a killed test may be torn, and is left out.
pub fn read_journal(path: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let whole = text.rsplit_once('\n').map_or("", |(whole, _torn)| whole);
    let line = |(n, line)| -> Line {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{}:{}: {error}", path.display(), n + 1))
    };
    whole.lines().enumerate().map(line).collect()
}

fn write_line(file: &mut File, line: &Line) -> std::io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    file.write_all(&text)
}

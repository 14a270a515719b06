//! Why a pass ended early. Nothing is lost by it: the ledger holds what is left to do.

use std::time::Duration;

use lake::{LogError, WriteError};
use meta::StoreError;
use model::chain;
use objects::{ObjectError, RootError};

use crate::aside::AsideError;

#[derive(Debug, thiserror::Error)]
pub enum PassError {
    #[error("the ledger did not do its part")]
    Ledger(#[source] StoreError),
    /// A condition on owner and fence failed: another worker holds the table now, or an earlier try of ours landed.
    #[error("the lease was lost")]
    LeaseLost,
    #[error("the table's log did not do its part")]
    Log(#[from] LogError),
    #[error("an object could not be read")]
    Object(#[source] ObjectError),
    #[error("the object store did not do its part ({act})")]
    Store {
        act: &'static str,
        #[source]
        source: object_store::Error,
    },
    #[error("a data file was not written")]
    Write(#[from] WriteError),
    #[error("building data files failed")]
    Build(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the build did not end")]
    Aside(#[from] AsideError),
    /// The project's objects cannot be reached; says nothing about any of them.
    #[error("the project's root cannot be reached")]
    Root(#[from] RootError),
    /// Says nothing about what was worked on.
    #[error("the time was up")]
    TimeUp,
    /// Storage took what was asked, and said nothing.
    #[error("storage did not answer within {} s", within.as_secs())]
    Silent { within: Duration },
    /// The log said yes, and the commit cannot be read.
    #[error("version {version} of app {app} was committed and is not readable")]
    NotReadable { app: &'static str, version: u64 },
    /// Written by a newer version of Plimsoll; a binary of that version must go on.
    #[error("written by a newer version: {0}")]
    Newer(String),
    #[error("the table cannot take our rows: {0}")]
    Schema(String),
    #[error("the table was not created")]
    NoTable,
}

impl PassError {
    /// True if stores did not answer, and may later; says nothing about segments or tables.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Ledger(error) => matches!(error, StoreError::Unavailable { .. }),
            Self::Log(_)
            | Self::Store { .. }
            | Self::Root(_)
            | Self::NotReadable { .. }
            | Self::NoTable
            | Self::Silent { .. }
            | Self::TimeUp => true,
            Self::Object(error) => !error.is_poison(),
            Self::Write(error) => error.is_store(),
            Self::LeaseLost | Self::Build(_) | Self::Aside(_) | Self::Newer(_) | Self::Schema(_) => false,
        }
    }

    /// What keeps us out of the project's bucket, if its owner alone can do something about it.
    pub fn out_of_reach(&self) -> Option<&RootError> {
        RootError::behind(self).filter(|error| error.is_the_owners())
    }

    /// The error, its causes, and what to do about it: one line for an operator.
    pub fn said(&self) -> String {
        match self.out_of_reach() {
            // What lies between names the place where the installation keeps its own objects.
            Some(root) => format!("{root}; {}", self.advice()),
            None => format!("{}; {}", chain(self), self.advice()),
        }
    }

    /// As [`Self::said`], of an act that nothing tries again by itself.
    pub fn said_of(&self, command: &str) -> String {
        if let Some(root) = self.out_of_reach() {
            let lost = if root.may_have_lost() { "" } else { "nothing is lost: " };
            return format!("{root}; {lost}run {command} again when that is done");
        }
        match self {
            Self::Newer(_) => format!("{}; run {command} of the version that wrote it", chain(self)),
            Self::Schema(_) | Self::Log(LogError::Damaged { .. }) => {
                format!("{}; then run {command} again", self.said())
            }
            _ => format!("{}; nothing was lost by it; run {command} again", chain(self)),
        }
    }

    /// What the one who runs this can do about it.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Log(LogError::Damaged { .. }) => {
                "until then nothing reads this table, and what comes in is kept; compaction goes on by itself"
            }
            Self::LeaseLost => "nothing to do: another worker goes on",
            error if error.out_of_reach().is_some_and(RootError::may_have_lost) => {
                "until then nothing is taken in or compacted, and senders are told to send again"
            }
            error if error.out_of_reach().is_some() => "nothing is lost: what came in is taken up when that is done",
            Self::Newer(_) => "run the newest version of Plimsoll that wrote here; nothing is lost",
            Self::Schema(_) => {
                "give the table its columns back as it says; nothing is lost: until then what comes in waits and can be queried"
            }
            error if error.is_unavailable() => {
                "nothing is lost, and it is tried again; if it lasts, see that the store answers, has room, and lets Plimsoll \
                 read, list, write and delete below the project's root"
            }
            _ => "nothing is lost, and it is tried again; if it lasts, please report it: it is a bug",
        }
    }

    /// True if the segments of the batch may be at fault: the attempt stays counted.
    pub(crate) fn may_be_poison(&self) -> bool {
        match self {
            Self::Object(error) => error.is_poison(),
            Self::Write(error) => !error.is_store(),
            Self::Build(_) => true,
            Self::Aside(error) => matches!(error, AsideError::Panicked(_)),
            _ => false,
        }
    }
}

impl From<StoreError> for PassError {
    /// Every condition that reaches a pass is one on the fence.
    fn from(error: StoreError) -> Self {
        if error.is_condition() { Self::LeaseLost } else { Self::Ledger(error) }
    }
}

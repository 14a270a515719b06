//! The safeguards of the write path by name, so that a test can take one away and show that something breaks.
//!
//! What is here: the list, and how a test switches one off ([`Without`], in builds with debug assertions only). What is
//! not: the safeguards themselves, each at work where [`holds`] or `when_safe` names it. The promise: without a test that
//! asks for it every safeguard holds, and a build without debug assertions has no switch at all (decision 0005).
//!
//! C1 to C9 are the invariants of the write path. C1: what was acknowledged is in the table exactly once in the end. C2: a
//! read in between misses nothing and counts nothing twice. C3: a batch is marked committed only when its commit is
//! readable. C4: the table never names a missing or overwritten object. C5: clean-up never takes what a reader needs. C9:
//! when faults stop, everything drains. "T" is the version of `plimsoll/compact` in a snapshot, "V" of `plimsoll/void`.

mod switch;

#[cfg(debug_assertions)]
pub use switch::Without;
pub use switch::{carried, holds};

/// The enum, all of it, and its names, from one list.
macro_rules! safeguards {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal,)+) => {
        /// One safeguard; its doc says what it is, and what happens without it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Safeguard {
            $($(#[$doc])+ $variant,)+
        }

        impl Safeguard {
            /// All, in the order of the list.
            pub const ALL: &'static [Safeguard] = &[$(Safeguard::$variant,)+];

            /// The name in reports, never changed.
            pub fn name(self) -> &'static str {
                match self {
                    $(Safeguard::$variant => $name,)+
                }
            }
        }
    };
}

safeguards! {
    // A body is recorded.

    /// `seen#` is put on condition that it is not there. Without: a retry is recorded again, C1 twice.
    SeenCondition = "seen-condition",
    /// `seen#` and `live#` are one transaction. Without, `seen#` first: a crash in between, C1 lost.
    SeenNotFirst = "seen-not-first",
    /// `seen#` and `live#` are one transaction. Without, `live#` first: a crash in between and a retry, C1 twice.
    LiveNotFirst = "live-not-first",
    /// Only the failed condition on `seen#` means duplicate. Without, a store that did not answer means it too: C1 lost.
    OnlyTheConditionRefuses = "only-the-condition-refuses",
    /// The own object stays when the body was seen. Without: the refusal came from our own first try whose reply was lost,
    /// and `live#` names a missing object; C9 stuck, lost.
    OwnSegmentKept = "own-segment-kept",
    /// A body is recorded within two minutes of its arrival or not at all. Without: the landing cleaner takes the object
    /// before a slow producer names it; C9 stuck, lost.
    RecordedInTime = "recorded-in-time",
    /// `due` is put after `live#`. Without, put before: it may be settled in between, C9 never swept.
    DuePutAfterLive = "due-put-after-live",
    /// `due` is put for a duplicate too. Without: the first try died between `live#` and `due`, C9 never swept.
    DuePutForDuplicates = "due-put-for-duplicates",
    /// A landing that takes longer than some seconds is not acknowledged, but its retry. Without, together with
    /// [`Self::DuePutAfterLive`]: `due` was settled while the landing was slow, C9 never swept.
    AnsweredInTime = "answered-in-time",
    /// A process puts `due` again once it last did so a minute ago. Without, once in its life: C9 never swept.
    DuePutAgain = "due-put-again",

    // A group of bodies is recorded together.

    /// A refused group's segment is written again without the seen bodies. Without: their rows come along, C1 twice.
    GroupLeavesOutTheSeen = "group-leaves-out-the-seen",
    /// The bodies of a refused group that were not seen go again. Without, they are answered and not recorded: C1 lost.
    GroupRestGoesAgain = "group-rest-goes-again",
    /// A rewritten segment has a fresh name. Without: if the first try landed and its reply was lost, `live#` names an
    /// object that was overwritten with fewer rows; the checksum fails, C1 lost to quarantine.
    GroupRewrittenAfresh = "group-rewritten-afresh",
    /// Two bodies of one hash never share a group. Without, both land under one `seen#`: C1 twice. (That a transaction
    /// refuses two operations on one key would make the group fail instead; the broken variant names the hash once.)
    GroupOfDifferentBodies = "group-of-different-bodies",
    /// A group is answered after its transaction. Without, before: a crash in between, C1 lost.
    GroupAnsweredWhenRecorded = "group-answered-when-recorded",

    // The lease.

    /// A batch is opened on condition that owner and fence are ours. Without, with the counter's condition kept and
    /// `last_seq` read only now: a worker that lost the table opens a batch of what another has committed, C1 twice.
    FenceAtOpening = "fence-at-opening",
    /// A batch is opened on condition that `last_seq` is what was read with the lease. Covered by [`Self::FenceAtOpening`];
    /// both off, `last_seq` stays as it was read with the lease: C1 twice or lost.
    CounterAtOpening = "counter-at-opening",
    /// The fence survives a release. Without, it starts again: an old worker's fence comes back, C1 twice. Covered by
    /// [`Self::OwnerInFence`], since owners are fresh at each taking; test in a pair.
    FenceOutlivesRelease = "fence-outlives-release",
    /// The lease's owner is part of every condition on the fence. Covered by the fence; see [`Self::FenceOutlivesRelease`].
    OwnerInFence = "owner-in-fence",
    /// The lease is renewed on condition of owner and fence. Without: an old worker puts its own lease back and takes the
    /// table from its holder, counter included; C1 twice or lost.
    RenewedUnderFence = "renewed-under-fence",
    /// The lease is released on condition of owner and fence. Without: as renewed, and the holder's table is free.
    ReleasedUnderFence = "released-under-fence",
    /// The size of lists is limited on condition of owner and fence. Without: as renewed.
    LimitedUnderFence = "limited-under-fence",
    /// A lease that runs out too far ahead counts as expired. Without: one bad clock blocks the table, C9.
    FarExpiryIsExpired = "far-expiry-is-expired",

    // Batches.

    /// A batch's seq comes from the lease's counter. Without, from the `batch#` left: a seq is used twice, and the second
    /// batch counts as committed before it is built, C1 lost (or, further apart, [`Self::LedgerFitsTable`] stops the table).
    SeqFromCounter = "seq-from-counter",
    /// At most one batch is open. Without, another is opened while one is: its commit makes the first look committed, C1
    /// lost. Covered by [`Self::LedgerFitsTable`], which stops the table (C9 false stop); both off: C1 lost.
    OneOpenBatch = "one-open-batch",
    /// Upkeep resolves the open batch before anything else. Serves progress; no safety check catches it.
    OpenBatchFirst = "open-batch-first",
    /// Ledger and table must fit before anything is committed. Without: a restored ledger or table goes unnoticed, C1.
    LedgerFitsTable = "ledger-fits-table",
    /// The choice leaves out segments of committed batches that are not yet cleaned. Without: C1 twice.
    CommittedLeftOut = "committed-left-out",
    /// A worker reads `batch#` before `live#`. Without: it sees a segment live and no longer its batch, which was cleaned
    /// in between; C1 twice, or a batch of what is gone, C9.
    WorkerReadsBatchesFirst = "worker-reads-batches-first",
    /// An open batch is built with the list it was opened with. Without, with what is live now: another list is
    /// committed than the ledger cleans up after, C1 twice.
    ListKept = "list-kept",
    /// An attempt is counted before it begins. Without, when it failed: one that kills its worker never counts, C9 stuck.
    AttemptCountedFirst = "attempt-counted-first",
    /// What a newer version wrote is left to it. Without: an old binary commits what it cannot read right, C1.
    FormatsChecked = "formats-checked",

    // The commit.

    /// T is looked at before a batch is built. Without: a batch that was committed and not yet marked goes again, C1 twice.
    CommittedReadFirst = "committed-read-first",
    /// A commit carries `plimsoll/compact` at its seq. Without: nobody can tell that it happened, C1 twice.
    CommitCarriesTxn = "commit-carries-txn",
    /// A commit is made on the very snapshot whose T was checked. Without, on the newest: another worker's commit of the
    /// same batch is not in conflict with ours, C1 twice.
    CommitOnCheckedSnapshot = "commit-on-checked-snapshot",
    /// An error of a commit is not believed; T is read back. Without: the batch counts as not committed and is built and
    /// committed again, C1 twice.
    ErrorsNotBelieved = "errors-not-believed",
    /// Files stay when their commit failed. Without: the commit was under way and lands later, C4.
    OutputsKept = "outputs-kept",
    /// File names carry the fence. Covered by [`Self::FreshIdInFileNames`], whose ids are unique over workers; both off:
    /// C4 overwritten by another worker.
    FenceInFileNames = "fence-in-file-names",
    /// File names carry a fresh id. Without, the place in the attempt: C4 overwritten by the next attempt.
    FreshIdInFileNames = "fresh-id-in-file-names",
    /// A batch is marked committed only when T is readable. Without, before it is built: C3.
    MarkedWhenReadable = "marked-when-readable",

    // Voiding.

    /// A worker drops a batch that V says was voided. Without: it counts as committed, C1 lost.
    VoidKnownToWorker = "void-known-to-worker",
    /// A void carries `plimsoll/compact`. Without: it never shows as decided, and the batch is voided for ever, C9.
    VoidCarriesCompact = "void-carries-compact",
    /// A void carries `plimsoll/void`. Without: it looks like a commit of the batch, C1 lost.
    VoidCarriesVoid = "void-carries-void",
    /// A batch is voided on the very snapshot whose T was below its seq. Without, on the newest: a commit of it that landed
    /// in between is voided too, and its segments go again, C1 twice.
    VoidOnCheckedSnapshot = "void-on-checked-snapshot",

    // Quarantine and stop.

    /// `bad#` is put on condition of the fence. Without: an old worker quarantines what another commits, C1.
    QuarantineUnderFence = "quarantine-under-fence",
    /// Only segments that no batch lists are quarantined. Without: one whose commit is under way is quarantined and in the
    /// table, C1.
    QuarantineUnlistedOnly = "quarantine-unlisted-only",
    /// A table is stopped on condition of the fence. Without: an old worker takes progress for a restore, C9 false stop.
    StopUnderFence = "stop-under-fence",

    // Cleaning.

    /// The `live#` of a batch go before its `batch#`. Without: a crash in between, they are chosen again, C1 twice.
    LiveGoneBeforeBatch = "live-gone-before-batch",
    /// The mark is raised. Without: a reader with an older snapshot misses what was cleaned, C2.
    MarkRaised = "mark-raised",
    /// The mark is raised before any `live#` goes. Without, after: as without the mark, for a moment.
    MarkRaisedFirst = "mark-raised-first",
    /// The mark is never lowered. Without: a slow worker lowers it, then as without the mark.
    MarkNeverLowered = "mark-never-lowered",
    /// A delete that fails blocks nothing else. Without: one bad item ends every pass over the table, C9.
    FailedDeleteBlocksNothing = "failed-delete-blocks-nothing",

    // Reading.

    /// A reader reads the mark last. Without, first: it is raised and `live#` are deleted in between, C2 missing.
    MarkReadLast = "mark-read-last",
    /// A reader loads its snapshot before it reads the ledger. Without: a commit in between, C2 twice.
    SnapshotBeforeLedger = "snapshot-before-ledger",
    /// A reader takes T, V and the files from one snapshot. Without: newer T, older files, C2 missing.
    OneSnapshot = "one-snapshot",
    /// A reader leaves out the segments of batches at or below T. Without, of batches marked committed: one that is
    /// committed and not marked yet counts twice, C2.
    LeftOutByCommitNotState = "left-out-by-commit-not-state",
    /// A reader leaves out the segments of batches at or below T. Without, of all batches: C2 missing.
    LeftOutByCommitNotList = "left-out-by-commit-not-list",
    /// A reader reads `batch#` before `live#`. Without: a segment is seen live, its batch cleaned away, C2 twice.
    ReaderReadsBatchesFirst = "reader-reads-batches-first",
    /// A reader counts a voided batch's segments as live. Without: C2 missing.
    VoidKnownToReader = "void-known-to-reader",
    /// A reader starts over when an object is missing. Without: it fails or misses rows that were moved, C5.
    ReaderStartsOver = "reader-starts-over",

    // The look-up index.

    /// A reader opens files that an index does not name. Without: what came in after the index was made is hidden, C2.
    UnnamedFilesOpened = "unnamed-files-opened",

    // Upkeep.

    /// A merge carries the next version of `plimsoll/merge`. Without: of two merges of the same files both stand, C1 twice,
    /// unless the log itself refuses to remove a file twice; and vacuum never knows its files.
    MergeCarriesTxn = "merge-carries-txn",
    /// A merge is committed on the snapshot it was planned on. Without, on the newest, removing of its inputs what is
    /// still there: C1 twice.
    MergeOnPlannedSnapshot = "merge-on-planned-snapshot",
    /// Vacuum deletes only files that no commit to come can name, by the seq in their name. Without, by age alone: C4.
    /// Covered by [`Self::VacuumHorizon`] unless the worker is slower than the horizon.
    VacuumBySeq = "vacuum-by-seq",
    /// Vacuum keeps what is younger than the readers' horizon, or was removed within it. Covered by
    /// [`Self::ReaderStartsOver`]; both off: C5.
    VacuumHorizon = "vacuum-horizon",
    /// Landing objects go only when nothing in the ledger names them. Without, by age alone: C9 stuck, lost.
    LandingKeptWhileNamed = "landing-kept-while-named",
    /// The landing cleaner reads the ledger after its listing. Without, before: a segment that is recorded in between is
    /// deleted. Covered by [`Self::RecordedInTime`] as long as the window is longer than the two minutes.
    LandingNamesReadLast = "landing-names-read-last",
    /// A foreign commit in the log stops merging and vacuum. Without: what another writer relies on is rewritten.
    ForeignCommitStops = "foreign-commit-stops",
    /// A checkpoint is read back before anything relies on it. Without: entries below a bad one go, and the table with
    /// them; C4, C9.
    CheckpointReadBack = "checkpoint-read-back",
    /// Log entries are kept for two windows. Without: `repair` does not know what was committed, vacuum not what was
    /// removed when, nobody who else wrote; C1, C5.
    LogKeptTwoWindows = "log-kept-two-windows",

    // Repair of what was put back in time.

    /// Repair takes out of `live#` what the table holds. Without: C1 twice.
    RepairForgetsLive = "repair-forgets-live",
    /// Repair drops batches that are not in the table before its empty commit. Without: by their numbers they count as
    /// committed, C1 lost.
    RepairDropsBatches = "repair-drops-batches",
    /// Repair makes the bodies of what the table holds known again. Without: a retry is recorded again, C1 twice.
    RepairKnowsBodies = "repair-knows-bodies",
    /// Repair takes retries of what the table holds out of `live#`. Without: one that came while its body was forgotten
    /// stays, C1 twice.
    RepairTakesOutDoubles = "repair-takes-out-doubles",
    /// Repair divides a segment in which such a retry shares the room with other bodies. Without, all of it goes: C1 lost.
    RepairDividesGroups = "repair-divides-groups",
    /// Repair forgets a `seen#` that names a segment which nothing names. Without: what was in lost commits does not come
    /// back, C1 lost.
    RepairForgetsSeen = "repair-forgets-seen",
    /// Repair lifts T above every number that ledger or table ever showed. Without, to one more than the table has: a
    /// reader with a snapshot from the time line that was lost goes on with it, C2.
    RepairGoesForward = "repair-goes-forward",

    // What is due.

    /// `due` is settled only if it was older than five minutes. Without: a producer whose `due` is fresh relies on it, and
    /// its `live#` comes after the read; C9 never swept.
    DueSettledOldOnly = "due-settled-old-only",
    /// `due` is read before the ledger. Without, after, with the age from then: as above.
    DueSeenBeforeRead = "due-seen-before-read",
    /// `due` is settled on condition that it is still the one that was seen. Without: a new one goes with it, C9.
    DueSettledUnchanged = "due-settled-unchanged",
    /// A trigger for a table that somebody holds is dropped. Without: five receptions put it aside, C9.
    BusyDropsTrigger = "busy-drops-trigger",
}

//! Retention: whole days go when the last moment of them is older than the project's setting, by the store's clock.

use std::collections::BTreeSet;

use lake::{APP_MERGE, Commit, CommitKind, DataFile, LogError};
use model::{MICROS_PER_DAY, Micros, TableId, day_of};

use super::{DaysAtOnce, Maintained, days, store_time};
use crate::pass::{self, Held};
use crate::{App, Counter, PassError};

/// The store's clock and ours may differ by so much; beyond, one of them is wrong and nothing is dropped.
const CLOCKS_APART_MAX: Micros = MICROS_PER_DAY;

/// Why days were not dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetentionRefused {
    /// More days at once than the settings allow; an operator may say so.
    TooManyDays { days: usize, allowed: usize },
    /// The store's clock and ours are too far apart.
    ClocksApart { store: Micros, ours: Micros },
}

pub(super) async fn retire(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    at_once: DaysAtOnce,
    did: &mut Maintained,
) -> Result<(), PassError> {
    let Some(snapshot) = pass::settled(app, table, held).await? else { return Ok(()) };
    let kept_days = app.projects.settings(&table.project).await?.retention_days(table.table);
    let now = store_time::now(app.root(table).store.as_ref()).await?;
    let (files, old_days) = older_than(&snapshot.files, now, kept_days);
    if files.is_empty() {
        return Ok(());
    }
    if let Some(refused) = refusal(old_days.len(), now, app.clock.now(), allowed(app, at_once)) {
        tracing::error!(%table, ?refused, days = ?old_days, "retention refuses to drop days");
        did.retention_refused = Some(refused);
        return Ok(());
    }
    let commit = Commit {
        remove: files,
        transactions: vec![(APP_MERGE, snapshot.merged + 1)],
        at: app.clock.now(),
        kind: CommitKind::Retention,
        ..Commit::default()
    };
    let n_files = commit.remove.len();
    let log = app.log(table);
    let said = log.commit(&snapshot, commit).await;
    let fresh = log.snapshot().await?.ok_or(PassError::NoTable)?;
    let gone = older_than(&fresh.files, now, kept_days).0.is_empty();
    match said {
        // Whatever was said: what counts is that they are gone. Another's commit got in between: the next run plans anew.
        _ if gone => {}
        Err(LogError::Conflict { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(()) => return Err(PassError::NotReadable { app: APP_MERGE, version: snapshot.merged + 1 }),
    }
    app.counters.add(Counter::RetiredFiles, n_files as u64);
    tracing::info!(%table, days = ?old_days, files = n_files, "days past retention dropped");
    did.retired_days.extend(old_days);
    Ok(())
}

fn allowed(app: &App, at_once: DaysAtOnce) -> usize {
    match at_once {
        DaysAtOnce::Few => app.settings.retention_days_at_once_max,
        DaysAtOnce::Any => usize::MAX,
    }
}

/// Paths and dates of the files whose day ended `kept_days` or more before `now`.
fn older_than(files: &[DataFile], now: Micros, kept_days: u32) -> (Vec<String>, BTreeSet<String>) {
    let first_kept = day_of(now - Micros::from(kept_days) * MICROS_PER_DAY);
    let old = files.iter().filter_map(|file| {
        let date = file.partition.get("date")?;
        (days::parse(date)? < first_kept).then(|| (file.path.clone(), date.clone()))
    });
    old.unzip()
}

fn refusal(n_days: usize, store: Micros, ours: Micros, allowed: usize) -> Option<RetentionRefused> {
    if (store - ours).abs() > CLOCKS_APART_MAX {
        return Some(RetentionRefused::ClocksApart { store, ours });
    }
    (n_days > allowed).then_some(RetentionRefused::TooManyDays { days: n_days, allowed })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn file(date: &str) -> DataFile {
        DataFile {
            path: format!("date={date}/a.parquet"),
            bytes: 1,
            rows: 1,
            partition: BTreeMap::from([("date".to_owned(), date.to_owned())]),
            time_min: 0,
            time_max: 0,
            rewrites: 0,
            stats: "{}".into(),
            rollups: None,
            modified_at: 0,
        }
    }

    #[test]
    fn a_day_goes_when_its_last_moment_is_past_retention() {
        let files = [file("2026-11-16"), file("2026-11-17"), file("2026-11-18"), file("no date")];
        let end_of_20th = Micros::from(days::parse("2026-11-21").expect("a date")) * MICROS_PER_DAY;
        let gone = |now| older_than(&files, now, 3).1.into_iter().collect::<Vec<_>>();
        assert_eq!(gone(end_of_20th - 1), ["2026-11-16"]);
        assert_eq!(gone(end_of_20th), ["2026-11-16", "2026-11-17"]);
    }

    #[test]
    fn many_days_at_once_and_clocks_apart_are_refused() {
        assert_eq!(refusal(7, 0, 0, 7), None);
        assert!(matches!(refusal(8, 0, 0, 7), Some(RetentionRefused::TooManyDays { days: 8, allowed: 7 })));
        assert_eq!(refusal(800, 0, 0, usize::MAX), None);
        let apart = CLOCKS_APART_MAX + 1;
        assert!(matches!(refusal(1, apart, 0, usize::MAX), Some(RetentionRefused::ClocksApart { .. })));
        assert!(matches!(refusal(1, 0, apart, usize::MAX), Some(RetentionRefused::ClocksApart { .. })));
    }
}

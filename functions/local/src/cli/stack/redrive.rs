//! `plimsoll redrive`: triggers that the compact function failed on, back into its queue.
//!
//! Triggers carry no data: they say "look at this table", and the sweep looks at every table that is due anyway. So redriving
//! saves at most the wait for the next sweep, and losing one loses nothing; it mainly empties the queue whose depth is an alarm.

use std::time::Duration;

use aws::Fault;
use aws::operate::{DeadLetters, Moved};
use clap::Args;
use clock::{Clock, SystemClock};
use serde_json::json;

use super::deployed::{Deployed, cloud, refused};
use super::{ThisStackArg, block_on, resources};
use crate::cli::{CliError, Screen, units};

#[derive(Debug, Args)]
pub(in crate::cli) struct RedriveArgs {
    #[command(flatten)]
    stack: ThisStackArg,
    /// Only show how many there are, and how old one is
    #[arg(long)]
    dry_run: bool,
    /// Counts as JSON
    #[arg(long)]
    json: bool,
}

/// Moved by hand in one run; a second run moves the next ones.
const BY_HAND_MAX: usize = 10_000;
/// How long SQS's own mover is watched; it goes on without us.
const WATCHED: Duration = Duration::from_secs(120);
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// What a run came to.
struct Outcome {
    found: u64,
    oldest: Option<String>,
    moved: u64,
    /// What is left to say.
    remark: Option<String>,
}

pub(in crate::cli) fn run(args: &RedriveArgs, screen: &mut Screen) -> Result<(), CliError> {
    let outcome = block_on(redrive(args))??;
    if args.json {
        let Outcome { found, oldest, moved, .. } = &outcome;
        screen.json(&json!({ "found": found, "oldest": oldest, "moved": moved }))?;
    } else {
        screen.line(&outcome.words(args))?;
    }
    if let Some(remark) = &outcome.remark {
        screen.remark(remark);
    }
    Ok(())
}

async fn redrive(args: &RedriveArgs) -> Result<Outcome, CliError> {
    let cloud = cloud().await?;
    let deployed = Deployed::read(&cloud, &args.stack.stack).await?;
    let url = &deployed.dead_letters_url;
    let facts = cloud.queue_facts(url).await.map_err(|fault| refused(&format!("cannot read queue {url}"), &fault))?;
    let found = facts.waiting + facts.in_flight;
    let oldest = if found == 0 { None } else { resources::oldest(&cloud, &deployed).await };
    let outcome = Outcome { found, oldest, moved: 0, remark: None };
    if args.dry_run || found == 0 {
        return Ok(outcome);
    }
    let letters = cloud.dead_letters(url, &deployed.queue_url);
    let failed = |fault: Fault| refused(&format!("cannot move messages out of queue {url}"), &fault);
    let (moved, remark) = match letters.start().await.map_err(failed)? {
        Moved::BySqs => watch(&letters).await.map_err(failed)?,
        Moved::NotPossible => by_hand(&letters).await.map_err(failed)?,
    };
    Ok(Outcome { moved, remark, ..outcome })
}

async fn watch(letters: &DeadLetters) -> Result<(u64, Option<String>), Fault> {
    let clock = SystemClock;
    let until = clock.uptime() + WATCHED;
    loop {
        clock.sleep(WATCH_EVERY).await;
        let Some(task) = letters.task().await? else {
            return Ok((
                0,
                Some(
                    "SQS has begun, and does not say how far it is; `plimsoll redrive --dry-run` counts the rest"
                        .to_owned(),
                ),
            ));
        };
        match task.status.as_str() {
            "RUNNING" if clock.uptime() < until => {}
            "RUNNING" => return Ok((task.moved, Some("SQS goes on moving the rest".to_owned()))),
            "COMPLETED" => return Ok((task.moved, None)),
            other => {
                let why = task.failure.unwrap_or_else(|| "it does not say why".to_owned());
                return Ok((task.moved, Some(format!("SQS has stopped ({other}): {why}; run it again"))));
            }
        }
    }
}

async fn by_hand(letters: &DeadLetters) -> Result<(u64, Option<String>), Fault> {
    let mut moved = 0;
    while moved < BY_HAND_MAX {
        match letters.move_by_hand().await? {
            0 => break,
            n => moved += n,
        }
    }
    let how = "this SQS cannot move messages itself: they were received, sent and deleted here, and a crash in between would \
               have sent some twice, which does no harm";
    let rest = if moved >= BY_HAND_MAX { "; run it again for the rest" } else { "" };
    Ok((moved as u64, Some(format!("{how}{rest}"))))
}

impl Outcome {
    fn words(&self, args: &RedriveArgs) -> String {
        let Self { found, oldest, moved, .. } = self;
        if *found == 0 {
            return "There are no dead letters.".to_owned();
        }
        let oldest = oldest.as_ref().map(|age| format!(", one of them sent {age} ago")).unwrap_or_default();
        let found = format!("{}{oldest}", units::counted(*found, "dead letter", "dead letters"));
        if args.dry_run {
            return format!(
                "{found}. They only say which tables to look at, and the sweep does so anyway: no data hangs on them."
            );
        }
        format!("{found}; {} back in the trigger queue.", units::counted(*moved, "is", "are"))
    }
}

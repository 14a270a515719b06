//! What `doctor --stack` finds out from AWS: table, bucket, queues, functions. Reads only, but for the probe of the bucket, which
//! takes away what it wrote.

use std::sync::Arc;

use aws::items::layout::TTL;
use aws::operate::{FunctionFacts, Protection, QueueFacts};
use aws::{Cloud, Fault, S3Root, Stack};
use clock::{Clock, RandomIds, SystemClock};
use meta::{Installation, StoreError};
use model::{InstallationId, chain};
use object_store::ObjectStore;
use objects::{Claim, Claimed, OwnerError, ProbeError, Trouble, Unmarked, claim_root, owner_of, probe_create_only};

use super::check::Check;
use super::deployed::{Deployed, advice};
use crate::cli::{CliError, units};

/// Triggers that wait in a queue that is kept up with.
const WAITING_MAX: u64 = 1_000;

const NO_TABLE: &str = "your AWS credentials need to read and write the stack's table";

/// Why the bucket was not probed, or does not pass.
pub(super) enum NotFit {
    Root(String),
    Probe(ProbeError),
    Ledger(StoreError),
    Owner(OwnerError),
}

/// Create-only PUTs must lose against an object that is there, and an absent key must answer 404.
pub(super) async fn probe(cloud: &Cloud, deployed: &Deployed) -> Result<(), NotFit> {
    let root = open(cloud, deployed)?;
    probe_create_only(&root, &RandomIds).await.map_err(NotFit::Probe)
}

/// Marks the root as this stack's, or finds it so.
pub(super) async fn claim(
    cloud: &Cloud,
    deployed: &Deployed,
    in_place_of: Option<&InstallationId>,
) -> Result<Claimed, NotFit> {
    let root = open(cloud, deployed)?;
    let installation = installation(cloud, deployed).id().await.map_err(NotFit::Ledger)?;
    let claim = Claim {
        installation,
        ledger: cloud.ledger_name(&deployed.table),
        claimed_at: SystemClock.now(),
        unmarked: Unmarked::Take,
        in_place_of: in_place_of.cloned(),
    };
    claim_root(root.as_ref(), &claim).await.map_err(NotFit::Owner)
}

async fn owner(cloud: &Cloud, deployed: &Deployed) -> Result<Check, NotFit> {
    const NAME: &str = "bucket owner";
    let root = open(cloud, deployed)?;
    let ours = installation(cloud, deployed).standing().await.map_err(NotFit::Ledger)?;
    Ok(match owner_of(root.as_ref()).await.map_err(NotFit::Owner)? {
        Some(mark) if Some(&mark.installation) == ours.as_ref() => Check::ok(NAME, "this stack"),
        Some(mark) => return Err(NotFit::Owner(OwnerError::Another(mark))),
        None if ours.is_none() => Check::ok(NAME, "nobody's yet; `stack init` marks it"),
        None => Check::warn(
            NAME,
            "the bucket does not say whose it is",
            format!("plimsoll stack init --stack {} marks it; nothing else is changed", deployed.name),
        ),
    })
}

fn open(cloud: &Cloud, deployed: &Deployed) -> Result<Arc<dyn ObjectStore>, NotFit> {
    let root: S3Root = deployed.root.parse().map_err(|error| NotFit::Root(format!("{error}")))?;
    cloud.root_store(&root).map_err(|error| NotFit::Root(error.to_string()))
}

fn installation(cloud: &Cloud, deployed: &Deployed) -> Installation {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Installation::new(cloud.items(&deployed.table, Arc::clone(&clock)), clock, Arc::new(RandomIds))
}

impl NotFit {
    pub(super) fn into_cli(self, root: &str) -> CliError {
        let (what, advice) = self.words(root);
        CliError::Cloud { what, advice }
    }

    fn words(self, root: &str) -> (String, String) {
        match self {
            Self::Root(error) => {
                (format!("cannot open {root}: {error}"), "look at the output RootUri of the stack".to_owned())
            }
            Self::Probe(error) => {
                let Trouble { what, advice } = error.trouble();
                (format!("{root}: {what}"), advice)
            }
            Self::Ledger(error) => {
                (format!("which installation this is cannot be read: {}", chain(&error)), NO_TABLE.to_owned())
            }
            Self::Owner(OwnerError::Another(mark)) => (
                format!("{root} belongs to another Plimsoll: {mark}"),
                format!(
                    "two ledgers on one root take each other's objects for left-overs and delete them: restore that ledger \
                     (infra/operate.md, Restore). Only if it is lost for good: plimsoll stack init --take-over {}, then \
                     plimsoll repair",
                    mark.installation
                ),
            ),
            Self::Owner(OwnerError::Store { act, source }) => {
                let act = format!("{act} the mark of its owner");
                let Trouble { what, advice } =
                    Trouble::of(&source, &act, "s3:GetObject and s3:PutObject below the root");
                (format!("{root}: {what}"), advice)
            }
            Self::Owner(error) => (format!("{root}: {error}"), "look at that object, and run this again".to_owned()),
        }
    }
}

pub(super) fn stack(stack: &Stack) -> Check {
    let status = stack.status.as_str();
    match status {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" => Check::ok("stack", status),
        "UPDATE_ROLLBACK_COMPLETE" => Check::warn(
            "stack",
            status,
            "the last deployment was taken back: `sam list stack-outputs` shows the one before",
        ),
        _ if status.ends_with("_IN_PROGRESS") => Check::warn("stack", status, "wait until it is deployed"),
        _ => Check::fail("stack", status, "look at its events in CloudFormation, and deploy again"),
    }
}

pub(super) async fn table(cloud: &Cloud, deployed: &Deployed) -> Vec<Check> {
    let facts = match cloud.table_facts(&deployed.table).await {
        Ok(facts) => facts,
        Err(fault) => return vec![not_read("table", &deployed.table, &fault)],
    };
    let update =
        |what: &str| format!("deploy the template again, or: aws dynamodb {what} --table-name {}", deployed.table);
    let active = match facts.status.as_str() {
        "ACTIVE" => Check::ok("table", "active"),
        other => Check::fail("table", other.to_owned(), "wait, or look at it in the DynamoDB console"),
    };
    let expiry = match facts.expires_by.as_deref() {
        Some(TTL) => Check::ok("table expiry", "items expire by `ttl`"),
        Some(other) => {
            Check::warn("table expiry", format!("items expire by `{other}`"), "it must be `ttl`: the table only grows")
        }
        None => Check::warn(
            "table expiry",
            "items never expire: the table only grows",
            update("update-time-to-live --time-to-live-specification Enabled=true,AttributeName=ttl"),
        ),
    };
    let recovery = match facts.point_in_time_recovery {
        Protection::On => Check::ok("table backups", "point-in-time recovery is on"),
        Protection::Off => Check::warn(
            "table backups",
            "point-in-time recovery is off: a mistake cannot be undone",
            update("update-continuous-backups --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"),
        ),
    };
    let protection = match facts.deletion_protection {
        Protection::On => Check::ok("table deletion", "is barred"),
        Protection::Off => {
            Check::warn("table deletion", "nothing bars it", update("update-table --deletion-protection-enabled"))
        }
    };
    vec![active, expiry, recovery, protection]
}

pub(super) async fn bucket(cloud: &Cloud, deployed: &Deployed) -> Vec<Check> {
    let mut checks = match cloud.bucket_facts(&deployed.bucket).await {
        Err(fault) => vec![not_read("bucket", &deployed.bucket, &fault)],
        Ok(facts) => {
            let public = match facts.public_access_blocked {
                Protection::On => Check::ok("bucket", "public access is blocked"),
                Protection::Off => Check::fail(
                    "bucket",
                    "public access is not blocked",
                    format!(
                        "deploy the template again, or: aws s3api put-public-access-block --bucket {} \
                         --public-access-block-configuration \
                         BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true",
                        deployed.bucket
                    ),
                ),
            };
            let rules = facts.expiring_rules;
            let expiry = if rules.is_empty() {
                Check::ok("bucket life cycle", "no rule deletes objects")
            } else {
                Check::fail(
                    "bucket life cycle",
                    format!("objects are deleted by {}", rules.join(", ")),
                    "take these rules away now: acknowledged data goes before it is in the tables, and the tables lose files",
                )
            };
            vec![public, expiry]
        }
    };
    checks.push(match probe(cloud, deployed).await {
        Ok(()) => Check::ok("bucket probe", "create-only PUTs hold, an absent key is 404"),
        Err(not_fit) => {
            let (found, advice) = not_fit.words(&deployed.root);
            Check::fail("bucket probe", found, advice)
        }
    });
    checks.push(owner(cloud, deployed).await.unwrap_or_else(|not_fit| {
        let (found, advice) = not_fit.words(&deployed.root);
        Check::fail("bucket owner", found, advice)
    }));
    checks
}

pub(super) async fn queues(cloud: &Cloud, deployed: &Deployed) -> Vec<Check> {
    let dead = cloud.queue_facts(&deployed.dead_letters_url).await;
    let triggers = match (cloud.queue_facts(&deployed.queue_url).await, &dead) {
        (Err(fault), _) => not_read("triggers", &deployed.queue_url, &fault),
        (Ok(facts), dead) => waiting(&facts, dead.as_ref().ok()),
    };
    let dead_letters = match dead {
        Err(fault) => not_read("dead letters", &deployed.dead_letters_url, &fault),
        Ok(facts) if facts.waiting + facts.in_flight == 0 => Check::ok("dead letters", "none"),
        Ok(facts) => {
            let oldest = oldest(cloud, deployed).await.map(|age| format!(", one sent {age} ago")).unwrap_or_default();
            Check::warn(
                "dead letters",
                format!("{}{oldest}", units::counted(facts.waiting + facts.in_flight, "trigger", "triggers")),
                format!(
                    "the compact function failed on them (its log says why); nothing is lost, and the sweep sees to their tables; \
                     then: plimsoll redrive --stack {}",
                    deployed.name
                ),
            )
        }
    };
    vec![triggers, dead_letters]
}

fn waiting(facts: &QueueFacts, dead: Option<&QueueFacts>) -> Check {
    let found = format!("{} waiting, {} under way", units::count(facts.waiting), units::count(facts.in_flight));
    let leads_there = dead.is_none_or(|dead| facts.dead_letters_to.as_deref() == Some(dead.arn.as_str()));
    if !leads_there {
        return Check::warn(
            "triggers",
            format!("{found}; what fails again and again is not put aside"),
            "deploy the template again: the queue has lost its redrive policy",
        );
    }
    if facts.waiting > WAITING_MAX {
        let advice = "the compact function does not keep up, or its event source mapping is disabled; look at its errors and throttles";
        return Check::warn("triggers", found, advice);
    }
    Check::ok("triggers", found)
}

/// Of a few dead letters, the oldest.
pub(super) async fn oldest(cloud: &Cloud, deployed: &Deployed) -> Option<String> {
    let letters = cloud.dead_letters(&deployed.dead_letters_url, &deployed.queue_url).look().await.ok()?;
    let sent_at_ms = letters.iter().filter_map(|letter| letter.sent_at_ms).min()?;
    let age_ms = (SystemClock.now() / 1_000 - sent_at_ms).max(0);
    Some(units::seconds(age_ms as f64 / 1e3))
}

pub(super) async fn functions(cloud: &Cloud, deployed: &Deployed) -> Vec<Check> {
    let names = match cloud.stack_functions(&deployed.name).await {
        Ok(names) if names.is_empty() => {
            return vec![Check::warn("functions", "the stack has none", "deploy the template again")];
        }
        Ok(names) => names,
        Err(fault) => return vec![not_seen(&fault)],
    };
    let mut versions = Vec::new();
    let mut trouble = Vec::new();
    for (logical_id, name) in names {
        match cloud.function_facts(&name).await {
            Ok(facts) if facts.state == "Active" || facts.state.is_empty() => {
                versions.push(version(&logical_id, &facts))
            }
            Ok(facts) => trouble.push(format!("{logical_id} is {}", facts.state)),
            Err(fault) => return vec![not_seen(&fault)],
        }
    }
    if trouble.is_empty() {
        vec![Check::ok("functions", versions.join("; "))]
    } else {
        vec![Check::fail("functions", trouble.join(", "), "look at it in the Lambda console, and deploy again")]
    }
}

/// `IngestFunction live=7 (shifting to 8)`
fn version(logical_id: &str, facts: &FunctionFacts) -> String {
    let alias = facts.aliases.iter().map(|alias| {
        let shifting = alias.shifting_to.join(", ");
        let shifting = if shifting.is_empty() { String::new() } else { format!(" (shifting to {shifting})") };
        format!(" {}={}{shifting}", alias.name, alias.version)
    });
    format!("{logical_id}{}", alias.collect::<String>())
}

fn not_read(name: &'static str, what: &str, fault: &Fault) -> Check {
    Check::fail(name, format!("cannot read {what}: {fault}"), advice(fault))
}

/// Nothing depends on it.
fn not_seen(fault: &Fault) -> Check {
    Check::warn("functions", format!("their versions cannot be read: {fault}"), advice(fault))
}

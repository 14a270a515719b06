//! Permissions: every call that the functions made in the whole test run, against the roles in `template.yaml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tests::cloud::policy::{Names, coverage, expanded_template, roles};
use tests::cloud::proxy::{Call, Line, Who, read_journal};

use super::unreached::UNREACHED;

/// Processes that are no function: what creates the emulated stack and the customers' buckets, the tests themselves, and
/// the command line of an operator.
const OUTSIDERS: [&str; 4] = ["setup", "test", "operator", "customer"];

#[test]
fn the_roles_of_the_template_are_understood() {
    let roles = roles(&expanded_template());
    let names = Names::of_stack("eu-central-1", "table", "bucket", "queue");
    for role in &roles {
        let resources = role.statements.iter().flat_map(|statement| &statement.resources);
        let resources: Vec<_> = resources.map(|resource| names.resolve(resource)).collect();
        assert!(!resources.is_empty() && resources.iter().all(|arn| arn.starts_with("arn:aws:")), "{role:?}");
    }
    let functions: Vec<_> = roles.iter().map(|role| role.function.as_str()).collect();
    assert_eq!(functions, ["ingest", "compact", "query", "api"]);
    let without_calls = coverage(&[], &roles, &OUTSIDERS, UNREACHED);
    assert_eq!(without_calls.wrongly_declared, [].into(), "each entry in unreached.rs names a grant of the template");
}

#[test]
#[ignore = "judges the journals of a whole run; tests/run runs it when all others have ended"]
fn every_call_of_the_run_is_granted_and_every_grant_is_used() {
    let journals = journals_of_the_run();
    let roles = roles(&expanded_template());

    let by_function = n_calls_by_function(&journals);
    for role in &roles {
        assert!(
            by_function.contains_key(&role.function),
            "no call of {} in the journals: {by_function:?}",
            role.function
        );
    }
    println!("calls in {} journals: {by_function:?}", journals.len());

    let coverage = coverage(&journals, &roles, &OUTSIDERS, UNREACHED);
    assert!(coverage == Default::default(), "\n{coverage}");
}

/// DynamoDB Local answers every read as a strongly consistent one; DynamoDB does so only when asked.
#[test]
#[ignore = "judges the journals of a whole run; tests/run runs it when all others have ended"]
fn every_read_of_the_ledger_asks_for_strong_consistency() {
    let journals = journals_of_the_run();
    let reads: Vec<_> = calls(&journals).filter(|call| call.consistent.is_some()).collect();
    assert!(!reads.is_empty(), "no reads in the journals");
    let weak = reads.iter().find(|call| call.consistent == Some(false));
    assert!(weak.is_none(), "{weak:#?}");
}

fn journals_of_the_run() -> Vec<Vec<Line>> {
    let folder = std::env::var_os("PLIMSOLL_JOURNALS").map(PathBuf::from);
    let folder = folder.expect("PLIMSOLL_JOURNALS is not set: `make test` sets it, and runs this last");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no journals in {}", folder.display());
    files.iter().map(|file| read_journal(file)).collect()
}

fn calls(journals: &[Vec<Line>]) -> impl Iterator<Item = &Call> {
    journals.iter().flatten().filter_map(|line| match line {
        Line::Call(call) => Some(call.as_ref()),
        Line::Names(_) => None,
    })
}

fn n_calls_by_function(journals: &[Vec<Line>]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in calls(journals) {
        if let Who::Own { name } = &call.who {
            *counts.entry(name.clone()).or_default() += 1;
        }
    }
    counts
}

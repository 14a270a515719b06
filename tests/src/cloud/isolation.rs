//! Whose credentials touched whose bucket: the check that a customer's bucket (BYO) is only ever entered as that customer
//! agreed to, over a journal of the proxy. The emulators would let anything pass.
//!
//! For every call on a BYO project's objects: it is signed by a session of that project's role, from an AssumeRole that
//! carried that project's external id and a session policy that reaches nothing but that project's root; the policy allows
//! the call; and the key lies below that root. No session enters our own bucket.
//!
//! A pure function, so that journals which are wrong on purpose show that it sees each kind of wrong.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::policy::{Names, Statement};
use super::proxy::{Assumed, Call, Need, Who};

const OBJECTS: &str = "arn:aws:s3:::";

/// Where a BYO project's objects are, and how to get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByoStore {
    pub project: String,
    pub bucket: String,
    /// What all its keys begin with, ending with a slash; never empty.
    pub root: String,
    pub role: String,
    pub external_id: String,
}

/// What breaks isolation, one sentence each; none may. `own_bucket` is the stack's. Calls of `outsiders` (whoever makes the
/// customers' buckets) are not judged.
pub fn breaches(calls: &[Call], own_bucket: &str, stores: &[ByoStore], outsiders: &[&str]) -> Vec<String> {
    let judge = Judge { own_bucket, stores, sessions: sessions(calls) };
    let judged = calls.iter().filter(|call| !call.who.process().is_some_and(|name| outsiders.contains(&name)));
    let mut breaches = shared_external_ids(stores);
    for call in judged {
        let found = match &call.assumed {
            Some(assumed) => judge.assuming(assumed).err(),
            None if call.service == "s3" => call.needs.iter().find_map(|need| judge.touching(call, need).err()),
            None => None,
        };
        breaches.extend(found.map(|why| format!("call {}, {} by {}: {why}", call.n, call.operation, call.who)));
    }
    breaches
}

/// Calls on the objects of each project that were judged, so that a test can ask for more than none.
pub fn n_calls_on(calls: &[Call], store: &ByoStore) -> usize {
    let within = format!("{OBJECTS}{}/{}", store.bucket, store.root);
    calls.iter().filter(|call| call.needs.iter().any(|need| need.resource.starts_with(&within))).count()
}

/// By the access key id that was issued.
fn sessions(calls: &[Call]) -> HashMap<&str, &Assumed> {
    let issued = calls.iter().filter_map(|call| call.assumed.as_ref());
    issued.filter_map(|assumed| Some((assumed.access_key.as_deref()?, assumed))).collect()
}

/// An external id that two projects share protects neither from the other.
fn shared_external_ids(stores: &[ByoStore]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let shared = stores.iter().filter(|store| !seen.insert(&store.external_id));
    shared.map(|store| format!("{} has an external id that another project has too", store.project)).collect()
}

struct Judge<'a> {
    own_bucket: &'a str,
    stores: &'a [ByoStore],
    sessions: HashMap<&'a str, &'a Assumed>,
}

impl Judge<'_> {
    /// Every AssumeRole, used or not: it names a project by its external id, and asks for no more than that project's root.
    fn assuming(&self, assumed: &Assumed) -> Result<&ByoStore, String> {
        let Some(external_id) = &assumed.external_id else { return Err("no external id".to_owned()) };
        let store = self.stores.iter().find(|store| store.external_id == *external_id);
        let store = store.ok_or("an external id of no project")?;
        if store.role != assumed.role {
            return Err(format!(
                "the external id of {} for a role that is not its own: {}",
                store.project, assumed.role
            ));
        }
        narrow(&session_policy(assumed)?, store)?;
        Ok(store)
    }

    fn touching(&self, call: &Call, need: &Need) -> Result<(), String> {
        let Some((bucket, key)) = bucket_and_key(need) else { return Ok(()) };
        let session = call.access_key.as_deref().and_then(|id| self.sessions.get(id));
        let is_byo = self.stores.iter().any(|store| store.bucket == bucket);
        match (session, is_byo) {
            (None, false) if bucket == self.own_bucket => match &call.who {
                Who::Own { .. } => Ok(()),
                other => Err(format!("our own bucket entered by {other}")),
            },
            (None, false) => Err(format!("{bucket} is nobody's")),
            (None, true) => Err(format!("the bucket {bucket} of a customer entered without its role")),
            (Some(_), false) => Err(format!("{bucket} entered with a customer's role")),
            (Some(assumed), true) => self.within(assumed, need, bucket, key),
        }
    }

    fn within(&self, assumed: &Assumed, need: &Need, bucket: &str, key: Option<&str>) -> Result<(), String> {
        let store = self.assuming(assumed)?;
        if store.bucket != bucket {
            return Err(format!("{bucket} entered with the role of {}", store.project));
        }
        let listed = need.context.get("s3:prefix").and_then(|values| values.first()).map(String::as_str);
        let place = key.or(listed.filter(|_| need.action == "s3:ListBucket"));
        if let Some(place) = place.filter(|place| !place.starts_with(&store.root)) {
            return Err(format!("{place:?} is outside the root {:?} of {}", store.root, store.project));
        }
        let granted =
            session_policy(assumed)?.iter().any(|statement| statement.grants(need, &Names::default()).is_some());
        granted
            .then_some(())
            .ok_or_else(|| format!("the session policy does not allow {} on {}", need.action, need.resource))
    }
}

/// `None` for the key: the call is about the bucket.
fn bucket_and_key(need: &Need) -> Option<(&str, Option<&str>)> {
    let path = need.resource.strip_prefix(OBJECTS)?;
    Some(path.split_once('/').map_or((path, None), |(bucket, key)| (bucket, Some(key))))
}

fn session_policy(assumed: &Assumed) -> Result<Vec<Statement>, String> {
    let policy = assumed.policy.as_deref().ok_or("no session policy")?;
    let document: Value =
        serde_json::from_str(policy).map_err(|error| format!("the session policy is no JSON: {error}"))?;
    Ok(Statement::all_of(&document))
}

/// Whether a policy reaches nothing but the store's root: no wildcard action; objects below the root; the bucket itself
/// listed below the root only; keys of KMS, which the role limits.
fn narrow(policy: &[Statement], store: &ByoStore) -> Result<(), String> {
    let bucket = format!("{OBJECTS}{}", store.bucket);
    let below_root = format!("{bucket}/{}", store.root);
    for statement in policy {
        for action in &statement.actions {
            if action.contains('*') || !(action.starts_with("s3:") || action.starts_with("kms:")) {
                return Err(format!("the session policy allows {action}"));
            }
            if action.starts_with("kms:") {
                continue;
            }
            for resource in &statement.resources {
                let resource = Names::default().resolve(resource);
                let is_bucket = resource == bucket;
                if !is_bucket && !resource.starts_with(&below_root) {
                    return Err(format!("the session policy reaches {resource}, beyond the root {below_root}"));
                }
                if is_bucket && action == "s3:ListBucket" {
                    limited_listing(statement, store)?;
                }
            }
        }
    }
    Ok(())
}

fn limited_listing(statement: &Statement, store: &ByoStore) -> Result<(), String> {
    let limits = statement.limits_of("s3:prefix", &Names::default());
    let limits = limits.ok_or("the session policy allows to list the whole bucket")?;
    match limits.iter().find(|limit| !limit.starts_with(&store.root)) {
        Some(limit) => Err(format!("the session policy allows to list {limit:?}, beyond the root {:?}", store.root)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cloud::proxy::Outcome;

    fn store(project: &str) -> ByoStore {
        ByoStore {
            project: project.to_owned(),
            bucket: format!("{project}-bucket"),
            root: format!("telemetry/{project}/"),
            role: format!("arn:aws:iam::222222222222:role/plimsoll-byo-{project}"),
            external_id: format!("external-{project}"),
        }
    }

    fn policy(store: &ByoStore) -> Value {
        let bucket = format!("arn:aws:s3:::{}", store.bucket);
        json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": format!("{bucket}/{}*", store.root)},
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket,
             "Condition": {"StringLike": {"s3:prefix": format!("{}*", store.root)}}},
        ]})
    }

    fn call(service: &str, operation: &str, access_key: &str, needs: Vec<Need>) -> Call {
        let who = match access_key {
            "INGEST" => Who::Own { name: "ingest".to_owned() },
            _ => Who::Session { role: "a role".to_owned(), assumed_by: "ingest".to_owned() },
        };
        Call {
            n: 0,
            at_ms: 0,
            who,
            access_key: Some(access_key.to_owned()),
            service: service.to_owned(),
            operation: operation.to_owned(),
            needs,
            consistent: None,
            assumed: None,
            request_bytes: 0,
            fault: None,
            outcome: Outcome::Lost,
            took_us: 0,
        }
    }

    fn need(action: &str, resource: &str, prefix: Option<&str>) -> Need {
        let context = prefix.map(|prefix| ("s3:prefix".to_owned(), vec![prefix.to_owned()]));
        Need {
            action: action.to_owned(),
            resource: resource.to_owned(),
            item: None,
            context: context.into_iter().collect(),
        }
    }

    fn assume(store: &ByoStore, issued: &str) -> Call {
        let assumed = Assumed {
            role: store.role.clone(),
            external_id: Some(store.external_id.clone()),
            policy: Some(policy(store).to_string()),
            session_name: None,
            access_key: Some(issued.to_owned()),
        };
        Call { assumed: Some(assumed), ..call("sts", "AssumeRole", "INGEST", vec![]) }
    }

    fn put(store: &ByoStore, session: &str) -> Call {
        let object = format!("arn:aws:s3:::{}/{}landing/x", store.bucket, store.root);
        call("s3", "PutObject", session, vec![need("s3:PutObject", &object, None)])
    }

    fn list(store: &ByoStore, session: &str, prefix: Option<&str>) -> Call {
        let bucket = format!("arn:aws:s3:::{}", store.bucket);
        call("s3", "ListObjectsV2", session, vec![need("s3:ListBucket", &bucket, prefix)])
    }

    /// Two customers and our own bucket, everything as it should be. Indices: 0 and 1 assume, 2 and 3 put, 4 lists, 5 is
    /// our own bucket.
    fn sound() -> Vec<Call> {
        let (a, b) = (store("a"), store("b"));
        let own = need("s3:PutObject", "arn:aws:s3:::own/projects/p/landing/x", None);
        vec![
            assume(&a, "ASIAA"),
            assume(&b, "ASIAB"),
            put(&a, "ASIAA"),
            put(&b, "ASIAB"),
            list(&a, "ASIAA", Some("telemetry/a/landing/")),
            call("s3", "PutObject", "INGEST", vec![own]),
        ]
    }

    fn judged(calls: &[Call]) -> Vec<String> {
        breaches(calls, "own", &[store("a"), store("b")], &["setup"])
    }

    #[test]
    fn a_sound_journal_has_no_breach() {
        assert_eq!(judged(&sound()), Vec::<String>::new());
        assert_eq!(n_calls_on(&sound(), &store("a")), 1);
    }

    fn assumed(calls: &mut [Call], n: usize) -> &mut Assumed {
        calls[n].assumed.as_mut().unwrap()
    }

    fn with_policy(calls: &mut [Call], change: impl Fn(&mut Value)) {
        let mut changed = policy(&store("a"));
        change(&mut changed);
        assumed(calls, 0).policy = Some(changed.to_string());
    }

    #[test]
    fn every_kind_of_breach_is_seen() {
        type Mutation = fn(&mut Vec<Call>);
        let cases: Vec<(&str, Mutation, &str)> = vec![
            ("AssumeRole skipped", |calls| calls[2] = put(&store("a"), "INGEST"), "entered without its role"),
            ("session from nowhere", |calls| calls[2] = put(&store("a"), "ASIAC"), "entered without its role"),
            ("AssumeRole not in the journal", |calls| drop(calls.remove(0)), "entered without its role"),
            ("swapped sessions", |calls| calls[2] = put(&store("a"), "ASIAB"), "entered with the role of b"),
            ("no external id", |calls| assumed(calls, 0).external_id = None, "no external id"),
            ("external id of nobody", |calls| assumed(calls, 0).external_id = Some("x".into()), "of no project"),
            (
                "external id of another",
                |calls| assumed(calls, 0).external_id = Some("external-b".into()),
                "the external id of b for a role that is not its own",
            ),
            ("role of another", |calls| assumed(calls, 0).role = store("b").role, "for a role that is not its own"),
            ("no session policy", |calls| assumed(calls, 0).policy = None, "no session policy"),
            (
                "policy of another",
                |calls| assumed(calls, 0).policy = Some(policy(&store("b")).to_string()),
                "beyond the root",
            ),
            ("all actions", |calls| with_policy(calls, |p| p["Statement"][0]["Action"] = "s3:*".into()), "allows s3:*"),
            (
                "an action beyond objects",
                |calls| with_policy(calls, |p| p["Statement"][0]["Action"] = "iam:PassRole".into()),
                "allows iam:PassRole",
            ),
            (
                "the whole bucket",
                |calls| with_policy(calls, |p| p["Statement"][0]["Resource"] = "arn:aws:s3:::a-bucket/*".into()),
                "beyond the root",
            ),
            (
                "everything",
                |calls| with_policy(calls, |p| p["Statement"][0]["Resource"] = "*".into()),
                "beyond the root",
            ),
            (
                "a prefix that only begins like the root",
                |calls| {
                    with_policy(calls, |p| p["Statement"][0]["Resource"] = "arn:aws:s3:::a-bucket/telemetry/a*".into())
                },
                "beyond the root",
            ),
            (
                "listing all",
                |calls| with_policy(calls, |p| p["Statement"][1]["Condition"] = Value::Null),
                "list the whole bucket",
            ),
            (
                "listing another root",
                |calls| {
                    with_policy(calls, |p| p["Statement"][1]["Condition"] = json!({"StringLike": {"s3:prefix": "*"}}))
                },
                "allows to list \"*\"",
            ),
            (
                "a policy that allows too little",
                |calls| {
                    with_policy(calls, |p| p["Statement"][0]["Action"] = "s3:GetObject".into());
                },
                "does not allow s3:PutObject",
            ),
            (
                "wrong prefix",
                |calls| calls[2].needs[0].resource = "arn:aws:s3:::a-bucket/telemetry/b/landing/x".into(),
                "outside the root",
            ),
            (
                "listed beyond the root",
                |calls| calls[4] = list(&store("a"), "ASIAA", Some("telemetry/")),
                "outside the root",
            ),
            (
                "listed without a prefix",
                |calls| calls[4] = list(&store("a"), "ASIAA", None),
                "does not allow s3:ListBucket",
            ),
            (
                "our bucket with a customer's role",
                |calls| calls[5].access_key = Some("ASIAA".into()),
                "own entered with a customer's role",
            ),
            (
                "our bucket by nobody known",
                |calls| calls[5].who = Who::Stranger,
                "our own bucket entered by a stranger",
            ),
            (
                "a bucket of nobody",
                |calls| calls[5].needs[0].resource = "arn:aws:s3:::other/x".into(),
                "other is nobody's",
            ),
            (
                "one of many keys outside",
                |calls| {
                    let outside = need("s3:PutObject", "arn:aws:s3:::a-bucket/x", None);
                    calls[2].needs.push(outside);
                },
                "outside the root",
            ),
        ];
        for (name, mutate, told) in cases {
            let mut calls = sound();
            mutate(&mut calls);
            let found = judged(&calls);
            assert!(found.iter().any(|breach| breach.contains(told)), "{name}: {found:?}");
        }
    }

    #[test]
    fn an_external_id_that_two_projects_share_is_a_breach() {
        let b = ByoStore { external_id: "external-a".to_owned(), ..store("b") };
        let found = breaches(&[], "own", &[store("a"), b], &[]);
        assert_eq!(found, ["b has an external id that another project has too"]);
    }

    #[test]
    fn outsiders_are_not_judged() {
        let mut calls = sound();
        calls.push(Call { who: Who::Own { name: "setup".to_owned() }, ..put(&store("a"), "SETUP") });
        assert_eq!(judged(&calls), Vec::<String>::new());
    }
}

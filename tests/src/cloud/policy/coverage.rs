//! A run's calls against the roles of the template: what was done without a grant, and which grants nobody used.

use std::collections::BTreeSet;

use super::{Names, Role, Statement};
use crate::cloud::proxy::{Call, Line, Who};

/// One action on one resource that a statement of the template grants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    pub function: String,
    pub sid: String,
    pub action: String,
    /// As the template says it, as JSON unless it is a plain text.
    pub resource: String,
}

/// Whether a run of the tests can use a grant that is declared as unreached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A run that does use it shows that the declaration is wrong.
    Never,
    /// Only a run that takes long enough.
    Seldom,
}

/// A grant that tests cannot be relied on to use, and why it is needed.
#[derive(Clone, Copy, Debug)]
pub struct Unreached {
    pub function: &'static str,
    pub sid: &'static str,
    /// Each on every resource of the statement.
    pub action: &'static str,
    pub reach: Reach,
    pub why: &'static str,
}

/// What is wrong; nothing may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// `who: action on resource`: no statement of the function's role grants it. Or a caller that nobody knows.
    pub not_granted: BTreeSet<String>,
    /// No call needed them.
    pub unused: BTreeSet<Grant>,
    /// Declared as unreached, but a call needed them, or the template has no such grant.
    pub wrongly_declared: BTreeSet<String>,
}

/// Judges the journals of a run, one list of lines for each proxy. `outsiders` are processes that are no function: they set
/// things up or look on.
pub fn coverage(journals: &[Vec<Line>], roles: &[Role], outsiders: &[&str], unreached: &[Unreached]) -> Coverage {
    let mut judge = Judge { roles, outsiders, used: BTreeSet::new(), not_granted: BTreeSet::new() };
    for journal in journals {
        let mut names = &Names::default();
        for line in journal {
            match line {
                Line::Names(said) => names = said,
                Line::Call(call) => judge.call(call, names),
            }
        }
    }
    let Judge { used, not_granted, .. } = judge;
    let all: BTreeSet<Grant> = roles.iter().flat_map(grants).collect();
    let declared = |grant: &Grant| unreached.iter().any(|entry| entry.covers(grant));
    let unused = all.difference(&used).filter(|grant| !declared(grant)).cloned().collect();
    let wrongly_declared = unreached.iter().filter_map(|entry| entry.fault(&all, &used)).collect();
    Coverage { not_granted, unused, wrongly_declared }
}

struct Judge<'a> {
    roles: &'a [Role],
    outsiders: &'a [&'a str],
    used: BTreeSet<Grant>,
    not_granted: BTreeSet<String>,
}

impl Judge<'_> {
    fn call(&mut self, call: &Call, names: &Names) {
        let name = match &call.who {
            Who::Own { name } => name,
            // Under the role's own permissions and the session's policy: see `isolation`.
            Who::Session { .. } => return,
            Who::Stranger | Who::Nobody => {
                self.not_granted.insert(format!("{} ({:?}): {}", call.who, call.access_key, call.operation));
                return;
            }
        };
        if self.outsiders.contains(&name.as_str()) {
            return;
        }
        let Some(role) = self.roles.iter().find(|role| role.function == *name) else {
            self.not_granted.insert(format!("{name}, which is no function of the template: {}", call.operation));
            return;
        };
        for need in &call.needs {
            let by_template: Vec<_> =
                role.statements.iter().filter_map(|s| Some((s, s.grants(need, names)?))).collect();
            if by_template.is_empty() {
                let context = need.context.iter().map(|(key, values)| format!(" with {key} = {}", values.join(", ")));
                let told = format!("{name}: {} on {}{}", need.action, need.resource, context.collect::<String>());
                self.not_granted.insert(told);
            }
            let used = by_template.iter().map(|(s, (action, resource))| grant(role, s, action, resource));
            self.used.extend(used);
        }
    }
}

fn grants(role: &Role) -> Vec<Grant> {
    let of_statement = |statement: &Statement| -> Vec<Grant> {
        let pairs = statement.actions.iter().flat_map(|a| statement.resources.iter().map(move |r| (a, r)));
        pairs.map(|(action, resource)| grant(role, statement, action, resource)).collect()
    };
    role.statements.iter().flat_map(of_statement).collect()
}

fn grant(role: &Role, statement: &Statement, action: &str, resource: &serde_json::Value) -> Grant {
    Grant {
        function: role.function.clone(),
        sid: statement.sid.clone(),
        action: action.to_owned(),
        resource: resource.as_str().map_or_else(|| resource.to_string(), str::to_owned),
    }
}

impl Unreached {
    fn covers(&self, grant: &Grant) -> bool {
        (self.function, self.sid, self.action) == (grant.function.as_str(), grant.sid.as_str(), grant.action.as_str())
    }

    fn fault(&self, all: &BTreeSet<Grant>, used: &BTreeSet<Grant>) -> Option<String> {
        let told = format!("{} {} {}", self.function, self.sid, self.action);
        if !all.iter().any(|grant| self.covers(grant)) {
            return Some(format!("{told}: the template has no such grant"));
        }
        let all_used = all.iter().filter(|grant| self.covers(grant)).all(|grant| used.contains(grant));
        (all_used && self.reach == Reach::Never).then(|| format!("{told}: tests reach it"))
    }
}

impl std::fmt::Display for Coverage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for told in &self.not_granted {
            writeln!(f, "not granted: {told}")?;
        }
        for Grant { function, sid, action, resource } in &self.unused {
            writeln!(f, "never used: {function} {sid}: {action} on {resource}")?;
        }
        for told in &self.wrongly_declared {
            writeln!(f, "wrongly declared as unreached: {told}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cloud::policy::roles;
    use crate::cloud::proxy::{Need, Outcome};

    fn call(who: Who, needs: &[(&str, &str)]) -> Line {
        let need = |(action, resource): &(&str, &str)| Need {
            action: (*action).to_owned(),
            resource: (*resource).to_owned(),
            item: None,
            context: [].into(),
        };
        Line::Call(Box::new(Call {
            n: 0,
            at_ms: 0,
            who,
            access_key: Some("X".to_owned()),
            service: "s3".to_owned(),
            operation: "PutObject".to_owned(),
            needs: needs.iter().map(need).collect(),
            consistent: None,
            assumed: None,
            request_bytes: 0,
            fault: None,
            outcome: Outcome::Lost,
            took_us: 0,
        }))
    }

    fn own(name: &str) -> Who {
        Who::Own { name: name.to_owned() }
    }

    /// Two functions; the second may do nothing.
    fn template() -> serde_json::Value {
        let statement = json!({"Sid": "Objects", "Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"],
            "Resource": {"Fn::Sub": "${Bucket.Arn}/*"}});
        let function = |role: &str| {
            json!({"Type": "AWS::Lambda::Function", "Properties": {
            "Role": {"Fn::GetAtt": [role, "Arn"]}}})
        };
        let role = |statements: serde_json::Value| {
            json!({"Type": "AWS::IAM::Role", "Properties": {
            "Policies": [{"PolicyName": "it", "PolicyDocument": {"Statement": statements}}]}})
        };
        json!({"Resources": {
            "Bucket": {"Type": "AWS::S3::Bucket"},
            "IngestFunction": function("IngestRole"),
            "CompactFunction": function("CompactRole"),
            "IngestRole": role(json!([statement])),
            "CompactRole": role(json!([])),
        }})
    }

    fn judged(calls: Vec<Line>, unreached: &[Unreached]) -> String {
        let mut journal = vec![Line::Names(Names::new([("Bucket.Arn", "arn:aws:s3:::b")]))];
        journal.extend(calls);
        coverage(&[journal], &roles(&template()), &["setup"], unreached).to_string()
    }

    const UNREACHED: Unreached =
        Unreached { function: "ingest", sid: "Objects", action: "s3:GetObject", reach: Reach::Never, why: "a test" };
    const NEVER_READ: &str = "never used: ingest Objects: s3:GetObject on {\"Fn::Sub\":\"${Bucket.Arn}/*\"}\n";

    #[test]
    fn calls_are_granted_or_told_and_grants_used_or_told() {
        let put = ("s3:PutObject", "arn:aws:s3:::b/x");
        let get = ("s3:GetObject", "arn:aws:s3:::b/x");
        let both = || call(own("ingest"), &[put, get]);
        let session = Who::Session { role: "r".to_owned(), assumed_by: "ingest".to_owned() };
        let cases: Vec<(Vec<Line>, &[Unreached], String)> = vec![
            (vec![both()], &[], String::new()),
            (vec![call(own("ingest"), &[put])], &[], NEVER_READ.to_owned()),
            (vec![call(own("ingest"), &[put])], &[UNREACHED], String::new()),
            (
                vec![both()],
                &[UNREACHED],
                "wrongly declared as unreached: ingest Objects s3:GetObject: tests reach it\n".to_owned(),
            ),
            (vec![both()], &[Unreached { reach: Reach::Seldom, ..UNREACHED }], String::new()),
            (
                vec![both()],
                &[Unreached { sid: "Other", ..UNREACHED }],
                "wrongly declared as unreached: ingest Other s3:GetObject: the template has no such grant\n".to_owned(),
            ),
            (
                vec![both(), call(own("ingest"), &[put, ("s3:PutObject", "arn:aws:s3:::other/x")])],
                &[],
                "not granted: ingest: s3:PutObject on arn:aws:s3:::other/x\n".to_owned(),
            ),
            (
                vec![both(), call(own("compact"), &[put])],
                &[],
                "not granted: compact: s3:PutObject on arn:aws:s3:::b/x\n".to_owned(),
            ),
            (vec![both(), call(own("setup"), &[("s3:CreateBucket", "arn:aws:s3:::b")])], &[], String::new()),
            (vec![both(), call(session, &[("s3:PutObject", "arn:aws:s3:::customer/x")])], &[], String::new()),
            (
                vec![both(), call(own("report"), &[put])],
                &[],
                "not granted: report, which is no function of the template: PutObject\n".to_owned(),
            ),
            (
                vec![both(), call(Who::Stranger, &[put])],
                &[],
                "not granted: a stranger (Some(\"X\")): PutObject\n".to_owned(),
            ),
        ];
        for (calls, unreached, told) in cases {
            let about = format!("{calls:?}");
            assert_eq!(judged(calls, unreached), told, "{about}");
        }
    }
}

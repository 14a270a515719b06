//! Grants in `template.yaml` that no test can use, each with its reason. One that a test does use may not stand here.

use tests::cloud::policy::Unreached;

const LOGS: &str = "Lambda itself writes a function's output into its log group, with the function's role";

pub(super) const UNREACHED: &[Unreached] = &[
    Unreached { function: "ingest", sid: "WriteLogs", action: "logs:CreateLogStream", why: LOGS },
    Unreached { function: "ingest", sid: "WriteLogs", action: "logs:PutLogEvents", why: LOGS },
    Unreached { function: "compact", sid: "WriteLogs", action: "logs:CreateLogStream", why: LOGS },
    Unreached { function: "compact", sid: "WriteLogs", action: "logs:PutLogEvents", why: LOGS },
    Unreached { function: "query", sid: "WriteLogs", action: "logs:CreateLogStream", why: LOGS },
    Unreached { function: "query", sid: "WriteLogs", action: "logs:PutLogEvents", why: LOGS },
    Unreached { function: "api", sid: "WriteLogs", action: "logs:CreateLogStream", why: LOGS },
    Unreached { function: "api", sid: "WriteLogs", action: "logs:PutLogEvents", why: LOGS },
];

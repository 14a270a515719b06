//! Grants in `template.yaml` that no test can use, each with its reason. One that a test does use may not stand here.

use tests::cloud::policy::Unreached;

const LOGS: &str = "Lambda itself writes a function's output into its log group, with the function's role";

const POLLER: &str =
    "the event source mapping of Lambda looks at its queue with the function's role; the dev cloud's does not";
const LATER: &str = "what is replaced or landed is deleted a day or more later, by the store's clock";
const CLEANED: &str = "items of a batch are deleted a minute after its commit, by the clock";
const LARGE: &str = "an answer beyond 6 MB that breaks off on its way into the store";
const RARE: &str = "a put without a condition: no request of api makes one in these tests";

pub(super) const UNREACHED: &[Unreached] = &[
    Unreached { function: "ingest", sid: "WriteLogs", action: "logs:CreateLogStream", why: LOGS },
    Unreached { function: "ingest", sid: "WriteLogs", action: "logs:PutLogEvents", why: LOGS },
    Unreached { function: "compact", sid: "WriteLogs", action: "logs:CreateLogStream", why: LOGS },
    Unreached { function: "compact", sid: "WriteLogs", action: "logs:PutLogEvents", why: LOGS },
    Unreached { function: "query", sid: "WriteLogs", action: "logs:CreateLogStream", why: LOGS },
    Unreached { function: "query", sid: "WriteLogs", action: "logs:PutLogEvents", why: LOGS },
    Unreached { function: "api", sid: "WriteLogs", action: "logs:CreateLogStream", why: LOGS },
    Unreached { function: "api", sid: "WriteLogs", action: "logs:PutLogEvents", why: LOGS },
    Unreached { function: "compact", sid: "TakeTriggers", action: "sqs:GetQueueAttributes", why: POLLER },
    Unreached { function: "compact", sid: "ReadWriteAndDeleteObjects", action: "s3:DeleteObject", why: LATER },
    Unreached { function: "compact", sid: "LedgerAndSettings", action: "dynamodb:DeleteItem", why: CLEANED },
    Unreached { function: "query", sid: "WriteLargeAnswers", action: "s3:AbortMultipartUpload", why: LARGE },
    Unreached { function: "api", sid: "ProjectsAndKeys", action: "dynamodb:UpdateItem", why: RARE },
];

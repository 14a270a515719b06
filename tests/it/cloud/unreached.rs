//! Grants in `template.yaml` that tests cannot be relied on to use, each with its reason.

use tests::cloud::policy::{Reach, Unreached};

use Reach::{Never, Seldom};

const LOGS: &str = "Lambda itself writes a function's output into its log group, with the function's role";

const POLLER: &str =
    "the event source mapping of Lambda looks at its queue with the function's role; the dev cloud's does not";
const LATER: &str = "what is replaced or landed is deleted a day or more later, by the store's clock";
const CLEANED: &str = "items of a batch are deleted a minute after its commit, by the clock";
const LARGE: &str = "an answer beyond 6 MB that breaks off on its way into the store";
const RARE: &str = "a put without a condition: no request of api makes one in these tests";

pub(super) const UNREACHED: &[Unreached] = &[
    Unreached { function: "ingest", sid: "WriteLogs", action: "logs:CreateLogStream", reach: Never, why: LOGS },
    Unreached { function: "ingest", sid: "WriteLogs", action: "logs:PutLogEvents", reach: Never, why: LOGS },
    Unreached { function: "compact", sid: "WriteLogs", action: "logs:CreateLogStream", reach: Never, why: LOGS },
    Unreached { function: "compact", sid: "WriteLogs", action: "logs:PutLogEvents", reach: Never, why: LOGS },
    Unreached { function: "query", sid: "WriteLogs", action: "logs:CreateLogStream", reach: Never, why: LOGS },
    Unreached { function: "query", sid: "WriteLogs", action: "logs:PutLogEvents", reach: Never, why: LOGS },
    Unreached { function: "api", sid: "WriteLogs", action: "logs:CreateLogStream", reach: Never, why: LOGS },
    Unreached { function: "api", sid: "WriteLogs", action: "logs:PutLogEvents", reach: Never, why: LOGS },
    Unreached { function: "compact", sid: "TakeTriggers", action: "sqs:GetQueueAttributes", reach: Never, why: POLLER },
    Unreached {
        function: "compact",
        sid: "ReadWriteAndDeleteObjects",
        action: "s3:DeleteObject",
        reach: Never,
        why: LATER,
    },
    Unreached {
        function: "compact",
        sid: "LedgerAndSettings",
        action: "dynamodb:DeleteItem",
        reach: Seldom,
        why: CLEANED,
    },
    Unreached {
        function: "query",
        sid: "WriteLargeAnswers",
        action: "s3:AbortMultipartUpload",
        reach: Seldom,
        why: LARGE,
    },
    Unreached { function: "api", sid: "ProjectsAndKeys", action: "dynamodb:UpdateItem", reach: Seldom, why: RARE },
];

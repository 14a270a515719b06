//! Other programs: the OpenTelemetry SDKs that send, the engines that read, and our own command line.
//!
//! `make test` installs what the first two need and says where; a test never passes because it is missing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{Binary, Client};

/// The Python that has the SDK and the engines.
pub fn python() -> Command {
    Command::new(installed("PLIMSOLL_TEST_PYTHON"))
}

/// The Python that has SAM, cargo-lambda and cfn-lint.
pub fn sam_python() -> Command {
    Command::new(installed("PLIMSOLL_TEST_SAM_PYTHON"))
}

/// Node, with the SDK's modules.
pub fn node() -> Command {
    let mut node = Command::new("node");
    node.env("NODE_PATH", installed("PLIMSOLL_TEST_NODE_MODULES"));
    node
}

/// What `make test` has installed, and named by a variable.
pub fn installed(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable).map(PathBuf::from);
    let path = path.unwrap_or_else(|| panic!("{variable} is not set: `make test` installs what it names, and sets it"));
    assert!(path.exists(), "{variable} names {}, which is not there: `make test` installs it", path.display());
    path
}

/// A file of this package.
pub fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What a program that must succeed prints, as JSON.
pub fn json_from(command: &mut Command, stdin: Option<&Value>) -> Value {
    command.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    if let (Some(mut pipe), Some(stdin)) = (child.stdin.take(), stdin) {
        serde_json::to_writer(&mut pipe, stdin).expect("the program reads its input");
    }
    let ended = child.wait_with_output().expect("the program ends");
    let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{command:?} ended with {}\n{out}\n{err}", ended.status);
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{command:?} printed no JSON: {error}\n{out}\n{err}"))
}

/// How an SDK is told to send.
#[derive(Clone, Copy, Debug)]
pub struct Export {
    pub sdk: Sdk,
    pub protocol: &'static str,
    pub compression: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    Python,
    Node,
}

/// Everything that the two SDKs can speak over HTTP.
pub const EXPORTS: [Export; 6] = [
    Export { sdk: Sdk::Python, protocol: "http/protobuf", compression: "none" },
    Export { sdk: Sdk::Python, protocol: "http/protobuf", compression: "gzip" },
    Export { sdk: Sdk::Node, protocol: "http/protobuf", compression: "none" },
    Export { sdk: Sdk::Node, protocol: "http/protobuf", compression: "gzip" },
    Export { sdk: Sdk::Node, protocol: "http/json", compression: "none" },
    Export { sdk: Sdk::Node, protocol: "http/json", compression: "gzip" },
];

/// Sends `traces` traces and what belongs to them; what was sent, as the SDK's own objects had it.
pub fn emit(client: &Client, export: Export, run: &str, traces: u32) -> Value {
    let mut command = match export.sdk {
        Sdk::Python => python(),
        Sdk::Node => node(),
    };
    command.arg(file(match export.sdk {
        Sdk::Python => "sdk/python/emit.py",
        Sdk::Node => "sdk/node/emit.js",
    }));
    command
        .args(["--run", run, "--traces", &traces.to_string()])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &client.keys.otlp_url)
        .env("OTEL_EXPORTER_OTLP_HEADERS", format!("x-api-key={}", client.keys.ingest_key))
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", export.protocol)
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", export.compression);
    let sent = json_from(&mut command, None);
    assert_eq!(sent["failed_exports"], 0, "{export:?}");
    sent
}

/// What a command of our own command line prints with `--json`.
pub fn plimsoll(client: &Client, args: &[&str]) -> Value {
    let mut command = Command::new(Binary::path());
    command
        .args(args)
        .env("PLIMSOLL_URL", &client.keys.api_url)
        .env("PLIMSOLL_OTLP_URL", &client.keys.otlp_url)
        .env("PLIMSOLL_KEY", if args[0] == "demo" { &client.keys.ingest_key } else { &client.keys.admin_key });
    json_from(&mut command, None)
}

/// Asks other engines: see `engines/check.py`. `tables` are names and folders.
pub fn ask_engines(tables: &[(&str, &Path)], checks: &Value, engines: &[&str], variables: &[(&str, String)]) -> Value {
    let mut command = python();
    command.arg(file("engines/check.py"));
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    for (name, folder) in tables {
        command.arg("--table").arg(format!("{name}={}", folder.display()));
    }
    for engine in engines {
        command.args(["--engine", engine]);
    }
    json_from(&mut command, Some(checks))
}

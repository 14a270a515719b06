//! Whose code a frame is.

use super::{Frame, Language};

/// Whether a frame is the service's own code, as far as its name and place tell.
pub(super) fn is_own(frame: &Frame<'_>) -> bool {
    let (file, function) = (frame.file, frame.function);
    let in_folder = |folders: &[&str]| folders.iter().any(|folder| file.contains(folder));
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| function.starts_with(prefix));
    let foreign = match frame.language {
        Language::Python => in_folder(PYTHON_FOLDERS) || file.starts_with('<'),
        Language::Jvm => begins(JVM_PACKAGES),
        Language::JavaScript => {
            in_folder(JAVASCRIPT_FOLDERS) || file.starts_with("internal/") || matches!(file, "native" | "<anonymous>")
        }
        Language::Go => in_folder(GO_FOLDERS) || begins(GO_PACKAGES) || function == "panic",
        Language::Rust => in_folder(RUST_FOLDERS) || begins(RUST_CRATES) || matches!(function, "main" | "_start"),
        Language::DotNet => begins(DOT_NET_NAMESPACES),
        Language::Ruby => in_folder(&["/gems/", "/lib/ruby/", "<internal:"]),
        Language::Php => in_folder(&["/vendor/", "[internal function]"]),
    };
    !foreign && !file.starts_with("/usr/lib/") && !file.starts_with("/usr/local/lib/")
}

const PYTHON_FOLDERS: &[&str] =
    &["site-packages/", "dist-packages/", "site-packages\\", "/lib/python", "\\lib\\", "\\Lib\\"];

const JAVASCRIPT_FOLDERS: &[&str] = &["node_modules/", "node_modules\\", "node:", "webpack/runtime", "-extension://"];

/// Where Go's own sources lie, and modules (`@v` with `-trimpath` too).
const GO_FOLDERS: &[&str] =
    &["/usr/local/go/", "/libexec/src/", "/sdk/go", "/Go/src/", "/go/pkg/mod/", "/vendor/", "@v"];

/// Packages of Go's standard library that stand between an error and the code that made it.
const GO_PACKAGES: &[&str] = &[
    "runtime.",
    "runtime/",
    "net.",
    "net/",
    "encoding/",
    "database/sql",
    "fmt.",
    "io.",
    "os.",
    "reflect.",
    "sync.",
    "testing.",
    "context.",
    "errors.",
    "strings.",
    "strconv.",
    "sort.",
    "slices.",
    "time.",
    "bufio.",
    "bytes.",
    "crypto/",
    "internal/",
    "log.",
    "log/",
    "syscall.",
];

const RUST_FOLDERS: &[&str] = &["/rustc/", ".cargo/registry/", ".cargo/git/", "/rust/deps/"];

const RUST_CRATES: &[&str] = &[
    "std::",
    "core::",
    "alloc::",
    "<std::",
    "<core::",
    "<alloc::",
    "<F as core::",
    "<T as core::",
    "<U as core::",
    "__rust",
    "rust_begin_unwind",
    "rust_panic",
    "__libc_start",
    "__pthread",
    "clone3",
    "tokio::",
    "<tokio::",
    "futures::",
    "futures_util::",
    "<futures_util::",
    "futures_core::",
    "anyhow::",
    "<anyhow::",
    "backtrace::",
    "tracing::",
    "<tracing::",
    "tracing_",
    "<tracing_",
    "hyper::",
    "<hyper::",
    "axum::",
    "<axum::",
    "tower::",
    "<tower::",
];

const DOT_NET_NAMESPACES: &[&str] = &[
    "System.",
    "Microsoft.",
    "Newtonsoft.",
    "Npgsql.",
    "Grpc.",
    "MediatR.",
    "Polly.",
    "Dapper.",
    "FluentValidation.",
    "AutoMapper.",
];

const JVM_PACKAGES: &[&str] = &[
    "java.",
    "javax.",
    "jakarta.",
    "jdk.",
    "sun.",
    "com.sun.",
    "kotlin.",
    "kotlinx.",
    "scala.",
    "groovy.",
    "clojure.",
    "org.springframework.",
    "org.apache.",
    "org.hibernate.",
    "org.eclipse.",
    "org.jboss.",
    "org.postgresql.",
    "com.mysql.",
    "com.google.common.",
    "com.fasterxml.",
    "com.zaxxer.",
    "com.netflix.",
    "io.netty.",
    "io.grpc.",
    "io.micrometer.",
    "io.opentelemetry.",
    "io.quarkus.",
    "io.vertx.",
    "io.micronaut.",
    "reactor.",
    "akka.",
    "okhttp3.",
    "retrofit2.",
    "org.junit.",
    "android.",
    "androidx.",
    "dalvik.",
];

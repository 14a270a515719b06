//! What `sam deploy` rolls out is what was promised of it, and what the code expects.
//!
//! `tests/template` expands `template.yaml` as SAM does and checks it, promise by promise; here it is compared with the
//! code and the documents: what is read from the environment, served, logged, and how things are called.

use std::collections::BTreeSet;
use std::env::VarError;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use boot::Env;
use model::ProjectSettings;
use serde_json::{Value, json};
use tests::programs::{file, json_from, sam_python};

/// More would be needed to check less.
const MUTATIONS_MIN: u64 = 80;
/// Read by `boot::start_log` in every function.
const OF_THE_LOG: [&str; 2] = ["PLIMSOLL_LOG", "PLIMSOLL_LOG_FORMAT"];

fn ask(what: &str) -> Value {
    json_from(sam_python().arg(file("template/check.py")).arg(what), None)
}

#[test]
fn cfn_lint_finds_nothing_in_the_templates_nor_in_what_sam_makes_of_them() {
    assert_eq!(ask("lint"), json!({}));
}

#[test]
fn the_template_keeps_every_promise_for_both_edges_and_every_stage() {
    assert_eq!(ask("promises"), json!({}));
}

#[test]
fn a_template_with_one_thing_wrong_is_noticed_whatever_it_is() {
    let answer = ask("mutations");
    assert_eq!(answer["missed"], json!([]));
    assert_eq!(answer["promises without a mutation"], json!([]));
    assert!(answer["mutations"].as_u64().unwrap() >= MUTATIONS_MIN, "{}", answer["mutations"]);
}

/// Our own variables among those that a function asks its environment for.
fn read_by<T>(read: impl FnOnce(&mut Env) -> T) -> BTreeSet<String> {
    let asked: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let noted = Arc::clone(&asked);
    let mut env = Env::with(move |name| {
        noted.lock().unwrap().insert(name.to_owned());
        Err(VarError::NotPresent)
    });
    read(&mut env);
    let asked = asked.lock().unwrap();
    let ours = asked.iter().filter(|name| name.starts_with("PLIMSOLL_")).cloned();
    ours.chain(OF_THE_LOG.map(str::to_owned)).collect()
}

#[test]
fn each_function_reads_the_variables_it_is_given_and_no_others() {
    let set = ask("facts")["variables"].clone();
    let read = [
        ("ingest", read_by(ingest::cloud::Config::read)),
        ("compact", read_by(compact::cloud::Config::read)),
        ("query", read_by(query::cloud::Config::read)),
        ("api", read_by(api::cloud::Config::read)),
    ];
    for (function, read) in read {
        assert_eq!(json!(read), set[function], "{function}: left, what it reads; right, what template.yaml sets");
    }
}

#[test]
fn limits_of_a_new_project_are_the_code_s_own_unless_set() {
    let defaults = ask("facts")["parameters"].clone();
    let expected = ProjectSettings::default();
    assert_eq!(defaults["DefaultRequestsPerSecond"], expected.requests_per_second_max);
    assert_eq!(defaults["DefaultBytesPerDay"], expected.bytes_per_day_max);
    assert_eq!(defaults["DefaultRetentionDaysLogsAndSpans"], expected.retention_days_logs_and_spans);
    assert_eq!(defaults["DefaultRetentionDaysMetrics"], expected.retention_days_metrics);
}

/// Lambda cuts an ingest off without a word that exporters understand.
#[test]
fn ingest_answers_before_its_function_is_out_of_time_however_short_that_is_set() {
    let template = std::fs::read_to_string(file("../template.yaml")).unwrap();
    let parameter = template.split("\n  IngestTimeoutSeconds:").nth(1).expect("the parameter is there");
    let least =
        parameter.split("MinValue: ").nth(1).and_then(|text| text.lines().next()).expect("it has a least value");
    assert!(ingest::LAND_WITHIN.as_secs() < least.parse().expect("a number"), "{least} s");
}

/// `METHOD /path` of every operation that the functions describe.
fn described() -> BTreeSet<String> {
    let mut document = query::openapi();
    document.merge(compact::openapi());
    let document = serde_json::to_value(api::openapi(document)).expect("JSON");
    let paths = document["paths"].as_object().expect("paths").iter();
    let routes = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("methods").keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    routes.collect()
}

#[test]
fn the_http_api_routes_what_the_functions_serve_and_nothing_else() {
    let facts = ask("facts");
    let routes = facts["routes"].as_object().unwrap().keys();
    let routed: BTreeSet<String> = routes.filter(|route| !route.starts_with("OPTIONS ")).cloned().collect();
    let mut served = described();
    served.extend(model::Signal::ALL.map(|signal| format!("POST {}", signal.path())));
    assert_eq!(routed, served);
}

/// All files below a folder of the repository whose name ends like this, in one text.
fn text_of(folder: &str, ending: &str) -> String {
    let mut text = String::new();
    let mut folders: Vec<PathBuf> = vec![file("..").join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                text.push_str(&read(&path));
            }
        }
    }
    text
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn log_lines_that_become_metrics_are_written() {
    let compact = text_of("functions/compact/src", ".rs");
    for (name, filter) in ask("facts")["log filters"].as_object().unwrap() {
        let pattern = filter["pattern"].as_str().unwrap();
        let message = pattern.split('"').nth(1).unwrap_or_else(|| panic!("{name}: {pattern} names no message"));
        let message = message.trim_end_matches('*');
        assert!(compact.contains(&format!("\"{message}")), "{name}: compact never logs `{message}`");
        if let Some(field) = filter["value"].as_str().unwrap().strip_prefix("$.") {
            assert!(compact.contains(field), "{name}: compact never logs the field `{field}`");
        }
    }
}

/// Words behind one of these, backticks taken off: `output OtlpEndpoint` names `OtlpEndpoint`.
fn named_behind(text: &str, markers: &[&str]) -> BTreeSet<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let pairs = words.windows(2).filter(|pair| markers.contains(&pair[0]));
    let bare = pairs.map(|pair| pair[1].trim_matches(|c: char| !c.is_ascii_alphanumeric()));
    bare.filter(|name| is_camel_case(name)).map(str::to_owned).collect()
}

/// What is set in words like `Edge=function-url`.
fn set_in(text: &str) -> BTreeSet<String> {
    let pairs = text.split_whitespace().filter_map(|word| word.split_once('='));
    let names = pairs.map(|(name, _)| name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()));
    names.filter(|name| is_camel_case(name)).map(str::to_owned).collect()
}

fn is_camel_case(word: &str) -> bool {
    let starts = word.starts_with(|c: char| c.is_ascii_uppercase());
    starts && word.chars().all(|c| c.is_ascii_alphanumeric()) && word.contains(|c: char| c.is_ascii_lowercase())
}

#[test]
fn outputs_and_parameters_that_documents_name_are_there() {
    let facts = ask("facts");
    let outputs: BTreeSet<String> = serde_json::from_value(facts["outputs"].clone()).unwrap();
    let parameters: BTreeSet<String> = facts["parameters"].as_object().unwrap().keys().cloned().collect();
    let documents =
        [read(&file("../README.md")), text_of("infra", ".md"), text_of("infra/collector", ".yaml")].join("\n");
    let named = named_behind(&documents, &["output", "outputs"]);
    assert!(named.contains("OtlpEndpoint"), "the Collector configurations name it");
    assert!(named.is_subset(&outputs), "there are no outputs {:?}", named.difference(&outputs));
    let mut named = named_behind(&documents, &["parameter", "parameters", "(parameter"]);
    named.extend(set_in(&documents));
    assert!(named.contains("Edge"), "infra/send.md sets it");
    assert!(named.is_subset(&parameters), "there are no parameters {:?}", named.difference(&parameters));
}

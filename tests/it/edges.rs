//! Who may depend on whom: read from `cargo metadata`, over normal dependencies as they are resolved.
//!
//! `ingest`, `api` and everything below them stay small and start fast only as long as no edge to DataFusion or Delta
//! sneaks in.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Package name -> names it depends on.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Where a package of ours lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Function,
    Shared,
    Tests,
}

/// The packages of this workspace, and the graph of everything.
struct House {
    places: BTreeMap<String, Place>,
    graph: Graph,
}

/// May depend on any function.
const WHOLE: [&str; 1] = ["local"];
/// May name DataFusion and Delta.
const HEAVY: [&str; 4] = ["lake", "compact", "query", "local"];
/// Serves tests only; reaches `lake` for the model of its log.
const TEST_ONLY: &str = "testkit";
/// Decide and transform, without I/O.
const PURE: [&str; 3] = ["model", "otlp", "rows"];
const IO: [&str; 6] = ["tokio", "object_store", "rusqlite", "axum", "hyper", "reqwest"];

fn is_heavy(package: &str) -> bool {
    ["deltalake", "datafusion", "buoyant_kernel"].iter().any(|name| package.starts_with(name))
}

/// One line for each edge that must not be.
fn forbidden(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    for (package, place) in house.places.iter().filter(|(_, place)| **place != Place::Tests) {
        let direct = &house.graph[package];
        let reached = reach(&house.graph, package);
        let mut no = |edge: &str, why: &str| found.push(format!("{package} -> {edge}: {why}"));
        for other in direct {
            match (place, house.places.get(other)) {
                (_, Some(Place::Tests)) => no(other, "nothing depends on the tests"),
                (Place::Shared, Some(Place::Function)) => no(other, "shared never depends on functions"),
                (Place::Function, Some(Place::Function)) if !WHOLE.contains(&package.as_str()) => {
                    no(other, "functions never depend on each other");
                }
                _ => {}
            }
            if other == TEST_ONLY {
                no(other, "it serves tests only");
            }
            if PURE.contains(&package.as_str()) && IO.contains(&other.as_str()) {
                no(other, "no I/O here");
            }
            if is_heavy(other) && !HEAVY.contains(&package.as_str()) {
                no(other, "only lake, compact, query and local may name it");
            }
        }
        if let Some(heavy) = reached.iter().find(|name| is_heavy(name))
            && !HEAVY.contains(&package.as_str())
            && package != TEST_ONLY
        {
            no(heavy, "reached by a light package");
        }
        if ["aws", "embedded"].iter().all(|world| reached.contains(*world)) && !WHOLE.contains(&package.as_str()) {
            no("aws, embedded", "the two worlds meet only in local and tests");
        }
    }
    found
}

/// Everything a package depends on, itself left out.
fn reach(graph: &Graph, package: &str) -> BTreeSet<String> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![package]);
    while let Some(name) = open.pop() {
        for other in graph.get(name).into_iter().flatten() {
            if reached.insert(other.clone()) {
                open.push(other);
            }
        }
    }
    reached
}

fn house(metadata: &Metadata) -> House {
    let resolve = metadata.resolve.as_ref().expect("metadata with dependencies");
    let names: BTreeMap<_, _> =
        metadata.packages.iter().map(|package| (&package.id, package.name.to_string())).collect();
    let mut graph = Graph::new();
    for node in &resolve.nodes {
        // Two versions of a package share a name, and so their edges: a rule is about names.
        let edges = graph.entry(names[&node.id].clone()).or_default();
        let normal =
            node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
        edges.extend(normal.map(|dep| names[&dep.pkg].clone()));
    }
    let place = |package: &cargo_metadata::Package| {
        let folder = package.manifest_path.strip_prefix(&metadata.workspace_root).expect("inside").as_str();
        match folder.split('/').next() {
            Some("functions") => Place::Function,
            Some("shared") => Place::Shared,
            _ => Place::Tests,
        }
    };
    let ours = metadata.workspace_packages();
    let places = ours.into_iter().map(|package| (package.name.to_string(), place(package))).collect();
    House { places, graph }
}

/// The platform that tests run on, `x86_64-unknown-linux-gnu`.
fn host() -> String {
    let told = Command::new(env!("CARGO")).arg("-vV").output().expect("cargo tells its version");
    let told = String::from_utf8(told.stdout).expect("text");
    told.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host").to_owned()
}

#[test]
fn no_forbidden_edge() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    // What other platforms need was never downloaded.
    let options = ["--offline", "--locked", "--filter-platform", &host()].map(str::to_owned);
    let metadata =
        MetadataCommand::new().manifest_path(manifest).other_options(options).exec().expect("cargo metadata");
    let house = house(&metadata);
    assert!(house.places.len() > 10 && house.graph.len() > 100, "the whole workspace was read");
    assert!(reach(&house.graph, "query").iter().any(|name| is_heavy(name)), "edges to DataFusion are seen");
    assert_eq!(forbidden(&house), [""; 0]);
}

#[test]
fn the_rules_see_a_forbidden_edge() {
    use Place::{Function, Shared, Tests};
    let places = [
        ("ingest", Function),
        ("query", Function),
        ("local", Function),
        ("model", Shared),
        ("meta", Shared),
        ("lake", Shared),
        ("aws", Shared),
        ("embedded", Shared),
        ("testkit", Shared),
        ("tests", Tests),
    ];
    let sound = [
        ("local", "ingest"),
        ("local", "query"),
        ("local", "aws"),
        ("local", "embedded"),
        ("ingest", "meta"),
        ("meta", "model"),
        ("query", "lake"),
        ("lake", "deltalake-core"),
        ("deltalake-core", "tokio"),
        ("testkit", "lake"),
        ("aws", "meta"),
        ("embedded", "meta"),
        ("tests", "testkit"),
        ("tests", "local"),
        ("tests", "datafusion"),
        ("meta", "serde"),
    ];
    let with = |more: &[(&str, &str)]| {
        let mut graph: Graph = places.iter().map(|(name, _)| ((*name).to_owned(), BTreeSet::new())).collect();
        for (from, to) in sound.iter().chain(more) {
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        let places = places.iter().map(|(name, place)| ((*name).to_owned(), *place)).collect();
        forbidden(&House { places, graph })
    };
    assert_eq!(with(&[]), [""; 0]);
    let cases: [(&[(&str, &str)], &str); 9] = [
        (&[("meta", "ingest")], "meta -> ingest: shared never depends on functions"),
        (&[("ingest", "query")], "ingest -> query: functions never depend on each other"),
        (&[("ingest", "testkit")], "ingest -> testkit: it serves tests only"),
        (&[("ingest", "tests")], "ingest -> tests: nothing depends on the tests"),
        (
            &[("meta", "datafusion-common")],
            "meta -> datafusion-common: only lake, compact, query and local may name it",
        ),
        (&[("meta", "lake")], "ingest -> deltalake-core: reached by a light package"),
        (&[("serde", "datafusion")], "ingest -> datafusion: reached by a light package"),
        (&[("model", "tokio")], "model -> tokio: no I/O here"),
        (
            &[("query", "aws"), ("query", "embedded")],
            "query -> aws, embedded: the two worlds meet only in local and tests",
        ),
    ];
    for (edges, expected) in cases {
        let found = with(edges);
        assert!(found.iter().any(|line| line == expected), "{edges:?}: {found:?}");
    }
}

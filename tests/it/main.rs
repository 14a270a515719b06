//! One binary for all tests that need more than one crate; one file a topic.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

// Stores that tests can bend.
mod stores;

// Who may depend on whom.
mod edges;

// The switches of the mutation tests.
mod safeguards;

// Doors: every implementation keeps the contract of its trait.
mod contracts;

// The metadata store and the objects in the cloud; whose they are, and what is said when they cannot be had.
mod dynamodb;
mod owner;
mod rollups;
mod s3;
mod silent;

// What the metadata store holds, and the API that manages it.
mod api;
mod buckets;
mod keys;
mod projects;
mod quota;

// OTLP in: what a correct receiver does, what a kill or a restored backup leaves behind, and how the broken is told.
mod kill;
mod otlp_rules;
mod repair;
mod soak;
mod start;
mod status;

// Real clients.
mod sdk;

// What `sam deploy` rolls out.
mod template;

// Any bytes at all, at each door that takes bytes from outside.
mod fuzz;

// From live segments to sorted files, exactly once; and the upkeep of what is there.
mod compaction;

// Ids looked up by the indexes beside the files.
mod lookup;

// Days of a shop in a whole server: how they lie, what comes late, what goes when, and who else reads it all.
mod backfill;
mod engines;
mod late;
mod lifecycle;

// The heavy functions as Lambda calls them, on doors in memory.
mod cloud_functions;

// What queries keep of objects that they read.
mod cache;

// The command line as a user runs it, and the shop whose telemetry it sends.
mod cli;
mod https;
mod shop;

// A deployed stack as its operator sees it.
mod stack;

// As separate functions, in the cloud.
mod cloud;
mod events;

// Questions: SQL and its limits, the read API, the queries that dashboards send, and who sees what.
mod isolation;
mod query_http;
mod query_sql;
mod workload;

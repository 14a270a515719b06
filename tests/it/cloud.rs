//! The serverless form on one machine: the real function programs in the dev cloud, on AWS emulators, and what is shown about
//! how they use AWS.

// The dev cloud does to a function what Lambda does.
mod lambda;

mod world;

// From SDKs to answers, through all functions.
mod flow;

// By the operator's command line.
mod operator;

// Each record once, whatever queues, processes and stores do.
mod exactly_once;
mod faults;

// Too large, too long, broken.
mod limits;
mod outages;

// Behind function URLs that ask for signatures.
mod signed;

// The proxy in front of the emulators.
mod proxy;

// The functions' handlers in one process on the emulated AWS: whose credentials enter whose bucket, what requests cost.
mod byo;
mod cost;
mod handlers;

// What a whole run's calls say about the roles in template.yaml.
mod permissions;
mod unreached;

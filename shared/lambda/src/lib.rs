//! How a function of ours runs in Lambda.

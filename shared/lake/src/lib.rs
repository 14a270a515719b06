//! Delta tables: open, snapshot, commit, and the layout of their Parquet files.

pub mod log;

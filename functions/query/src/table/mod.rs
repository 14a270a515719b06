//! A project's table as queries see it: the files of one Delta snapshot and the live segments that are not in it yet.
//!
//! - [`view`]: which files and which segments, so that no row is missed and none is seen twice.
//! - [`index`]: the statistics of a snapshot's files, kept from one snapshot to the next.
//! - [`prune`]: the files and segments that may hold an asked row.
//! - [`known`]: filters that are answered for whole files by what the log says of them.
//! - [`provider`]: the table in a DataFusion session.
//! - [`source`]: the scan: live segments and Parquet files as one data source, so that filters and sorts reach both.
//! - [`lookup`]: files that cannot hold an asked id, by the look-up indexes beside them.
//! - [`beside`]: the table without the rows that rollups answer for.
//! - [`live`], [`parquet`]: reading either, metered.

mod beside;
mod index;
mod known;
mod live;
mod lookup;
mod parquet;
mod provider;
mod prune;
mod source;
mod view;

pub(crate) use beside::TableBeside;
pub(crate) use known::Known;
pub use live::OnMissing;
pub(crate) use live::SegmentCache;
pub use lookup::Lookups;
pub(crate) use parquet::{FileCaches, MeteredFiles};
pub(crate) use provider::{Table, TableParts, visible_schema};
pub use view::{Freshness, TableView, Tables, tries};

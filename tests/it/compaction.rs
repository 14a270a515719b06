//! Compaction and upkeep over real Delta tables and stores in memory or on disk: every acknowledged row is in the table
//! exactly once, whatever fails, and readers see it exactly once at every moment.

mod bent;
mod budget;
mod checkpoints;
mod contents;
mod exactly_once;
mod faults;
mod messages;
mod outages;
mod poison;
mod repair;
mod rounds;
mod upkeep;
mod world;

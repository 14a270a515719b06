//! Projects whose owners' buckets do not let Plimsoll in: each is told in a line of its own. That is for the owners to mend, so
//! no command of the operator's fails by it.

use std::collections::HashSet;

use super::{CliError, Screen};

/// The outcome of an act on such a table, as the API answers it.
pub(super) const OUT_OF_REACH: &str = "out_of_reach";

/// A line for each project, however many of its tables say so: its id, and why.
pub(super) fn tell(tables: impl IntoIterator<Item = (String, String)>, screen: &mut Screen) -> Result<(), CliError> {
    let mut told = HashSet::new();
    for (project, why) in tables {
        let line = format!("OUT OF REACH {project}: {why}");
        if told.insert(project) {
            screen.line(&line)?;
        }
    }
    Ok(())
}

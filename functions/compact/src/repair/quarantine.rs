//! Quarantined segments that can be read after all: a disk or a backup gave the object back, or workers died of something
//! else three times in a row. They are live again, each on condition of the fence and that it is still quarantined. Those
//! that the table holds (a ledger was put back behind an earlier repair) only leave the quarantine.

use model::TableId;

use super::Repaired;
use super::numbers::InTable;
use crate::pass::Held;
use crate::pass::segments::{self, Reading};
use crate::{App, PassError};

pub(super) async fn release(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    in_table: &InTable,
    did: &mut Repaired,
) -> Result<(), PassError> {
    for bad in app.ledger.quarantined(table).await? {
        if in_table.contains_key(&bad.segment.id) {
            app.ledger.forget_quarantined(table, held.lease(), &bad).await?;
            continue;
        }
        // One by one: the memory of a segment that killed its workers is all that is risked.
        let readings = segments::read(app, table, vec![bad.segment.clone()]);
        match held.while_renewing(readings).await??.pop() {
            Some(Reading::Rows(_)) => {
                app.ledger.release_quarantined(table, held.lease(), &bad).await?;
                tracing::info!(%table, segment = %bad.segment.id, rows = bad.segment.rows, "a quarantined segment is live again");
                did.segments_released += 1;
            }
            Some(Reading::Poison { .. } | Reading::Newer { .. }) | None => did.segments_quarantined += 1,
        }
    }
    Ok(())
}

//! How long what an operator asked waits for storage that takes connections and says nothing: long enough for a slow answer,
//! and not as long as everything that is tried again by itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::TableId;

use crate::{App, PassError};

/// For one table.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// For each of the others, once a table was waited for in vain and none has answered since.
const ANSWER_SOON_WITHIN: Duration = Duration::from_secs(2);

/// Of one request, which looks at many tables.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    is_silent: AtomicBool,
}

impl Patience {
    /// What comes of reading a table, unless its storage stays silent.
    pub(crate) async fn wait<T>(
        &self,
        app: &App,
        reading: impl Future<Output = Result<T, PassError>>,
    ) -> Result<T, PassError> {
        let within = if self.is_silent.load(Ordering::Relaxed) { ANSWER_SOON_WITHIN } else { ANSWER_WITHIN };
        let read = clock::within(app.clock.as_ref(), within, reading).await;
        self.is_silent.store(read.is_none(), Ordering::Relaxed);
        read.unwrap_or(Err(PassError::Silent { within }))
    }

    /// Whether the storage of a table says anything at all. What it says is for the act that comes after this.
    pub(crate) async fn hear(&self, app: &App, table: &TableId) -> Result<(), PassError> {
        let reading = async {
            let _ = app.log(table).snapshot().await;
            Ok(())
        };
        self.wait(app, reading).await
    }
}

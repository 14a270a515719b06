//! Where rows go while a query runs: kept until it ends, or handed out at once.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tokio::sync::mpsc;

use super::Summary;
use super::running::Watched;
use crate::encode;
use crate::error::{Limit, QueryError};

/// Batches between the query and whoever takes them.
const BATCHES_AHEAD: usize = 2;

/// Takes the rows of a query.
pub(crate) enum Sink {
    /// For an answer in one piece.
    Whole(Whole),
    /// For an answer that is sent while it is made.
    Streamed(Streamed),
}

pub(crate) struct Whole {
    pub(super) schema: Option<SchemaRef>,
    pub(super) batches: Vec<RecordBatch>,
    bytes: usize,
    bytes_max: usize,
}

pub(crate) struct Streamed {
    sender: mpsc::Sender<Event>,
    schema_sent: bool,
    rows_sent: bool,
}

pub(super) enum Event {
    Schema(SchemaRef),
    Batch(RecordBatch),
}

impl Sink {
    pub(super) fn whole(bytes_max: usize) -> Self {
        Self::Whole(Whole { schema: None, batches: Vec::new(), bytes: 0, bytes_max })
    }

    pub(super) fn streamed() -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
        (Self::Streamed(Streamed { sender, schema_sent: false, rows_sent: false }), receiver)
    }

    /// Whether what was taken so far may be forgotten.
    pub(super) fn can_restart(&self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Streamed(streamed) => !streamed.rows_sent,
        }
    }

    pub(super) fn restart(&mut self) {
        if let Self::Whole(whole) = self {
            (whole.batches, whole.bytes) = (Vec::new(), 0);
        }
    }

    pub(super) async fn start(&mut self, schema: &SchemaRef) -> Result<(), QueryError> {
        match self {
            Self::Whole(whole) => whole.schema = Some(schema.clone()),
            Self::Streamed(streamed) if !streamed.schema_sent => {
                streamed.schema_sent = true;
                streamed.send(Event::Schema(schema.clone())).await?;
            }
            Self::Streamed(_) => {}
        }
        Ok(())
    }

    pub(super) async fn put(&mut self, batch: RecordBatch) -> Result<(), QueryError> {
        match self {
            Self::Whole(whole) => {
                whole.bytes += encode::bytes_of(&batch);
                if whole.bytes > whole.bytes_max {
                    return Err(Limit::ResultBytes { bytes_max: whole.bytes_max }.into());
                }
                whole.batches.push(batch);
                Ok(())
            }
            Self::Streamed(streamed) => {
                streamed.rows_sent = true;
                streamed.send(Event::Batch(batch)).await
            }
        }
    }
}

impl Streamed {
    async fn send(&self, event: Event) -> Result<(), QueryError> {
        self.sender.send(event).await.map_err(|_| QueryError::internal("nobody takes the rows any more"))
    }
}

/// An answer that is being made.
pub(crate) struct AnswerStream {
    pub(crate) schema: SchemaRef,
    /// Taken already, to know that the query got going.
    first: Option<RecordBatch>,
    receiver: mpsc::Receiver<Event>,
    work: Watched<Summary>,
    ended: Option<Summary>,
}

impl AnswerStream {
    /// Waits for the first rows, so that most errors come before anything is sent.
    pub(super) async fn begin(
        mut receiver: mpsc::Receiver<Event>,
        mut work: Watched<Summary>,
    ) -> Result<Self, QueryError> {
        let schema = match work.meanwhile(receiver.recv()).await? {
            Some(Event::Schema(schema)) => schema,
            Some(Event::Batch(batch)) => batch.schema(),
            None => return Err(work.done().await.err().unwrap_or_else(|| super::panicked("no schema".to_owned()))),
        };
        let mut stream = Self { schema, first: None, receiver, work, ended: None };
        stream.first = stream.next().await?;
        Ok(stream)
    }

    /// The next rows; none at the end, when [`AnswerStream::summary`] has the rest.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        loop {
            match self.work.meanwhile(self.receiver.recv()).await? {
                Some(Event::Batch(batch)) => return Ok(Some(batch)),
                Some(Event::Schema(_)) => {}
                None => {
                    if self.ended.is_none() {
                        self.ended = Some(self.work.done().await?);
                    }
                    return Ok(None);
                }
            }
        }
    }

    pub(crate) fn summary(&self) -> Option<&Summary> {
        self.ended.as_ref()
    }
}

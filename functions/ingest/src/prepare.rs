//! From the bytes of a request to rows: inflate, hash, decode. Pure computation, off the async threads when it is much.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::{BodyHash, Micros, ProjectId, Signal, TimeRange};
use otlp::{ContentType, Encoding, InflateError};
use rows::{BodyContext, BodyOutcome, Decoder};

use crate::blocking::blocking;
use crate::body::Share;
use crate::{App, Prepared, Refusal};

/// Bodies below this are decoded where they are; a hop to another thread costs more.
const INLINE_BYTES: usize = 32 << 10;
/// Room for the inflated body that is asked for first, as a multiple of what was sent: most bodies fit.
const STEP_FIRST: usize = 16;
/// How much more is asked for each time it was too little.
const STEP_NEXT: usize = 4;
/// A body, its rows and its segment take about so many times the inflated body.
const DECODED_FACTOR: usize = 3;

/// A request that passed every check that needs no decoding.
pub(crate) struct Checked {
    pub project: ProjectId,
    pub signal: Signal,
    pub content_type: ContentType,
    pub encoding: Encoding,
    pub accepted: TimeRange,
    pub arrived_at: Micros,
    /// [`clock::Clock::uptime`] at that moment.
    pub arrived: Duration,
    pub body: Bytes,
}

/// Rows of a request, with what there is to say about them.
pub(crate) struct Decoded {
    /// None: nothing to store.
    pub prepared: Option<Prepared>,
    pub outcome: BodyOutcome,
    /// Decompressed size of the body.
    pub bytes: usize,
}

/// Of the budget, what a body takes as a multiple of what was sent, before it is known how large it is inflated.
pub(crate) fn room_factor(encoding: Encoding) -> usize {
    match encoding {
        Encoding::Identity => DECODED_FACTOR,
        Encoding::Gzip | Encoding::Zstd | Encoding::Deflate => 1 + STEP_FIRST,
    }
}

/// Decodes a request, on a thread for blocking work if it is large. What it takes is taken from its share first.
pub(crate) async fn prepare(app: &Arc<App>, request: Checked, share: Share) -> Result<(Decoded, Share), Refusal> {
    if request.body.len() < INLINE_BYTES && request.encoding == Encoding::Identity {
        return decode(app, &request, share);
    }
    let _slot = app.decoders.acquire().await.map_err(|_| Refusal::Crashed)?;
    let app = Arc::clone(app);
    blocking(move || decode(&app, &request, share)).await.map_err(|_| Refusal::Crashed)?
}

/// Inflates by steps: the share grows before the memory does, so that a zip bomb is refused at what it may have.
fn inflate(app: &App, request: &Checked, share: &mut Share) -> Result<Bytes, Refusal> {
    let bytes_max = app.settings.body_bytes_max;
    if request.encoding == Encoding::Identity {
        return otlp::inflate(request.encoding, request.body.clone(), bytes_max).map_err(|error| match error {
            InflateError::TooLarge { bytes_max } => Refusal::TooLarge { bytes_max },
            corrupt @ InflateError::Corrupt { .. } => Refusal::Inflate(corrupt),
        });
    }
    let mut step = (request.body.len() * STEP_FIRST).max(INLINE_BYTES).min(bytes_max);
    loop {
        share.grow_to(request.body.len() + step)?;
        match otlp::inflate(request.encoding, request.body.clone(), step) {
            Ok(body) => return Ok(body),
            Err(InflateError::TooLarge { .. }) if step < bytes_max => step = (step * STEP_NEXT).min(bytes_max),
            Err(InflateError::TooLarge { .. }) => return Err(Refusal::TooLarge { bytes_max }),
            Err(corrupt) => return Err(Refusal::Inflate(corrupt)),
        }
    }
}

fn decode(app: &App, request: &Checked, mut share: Share) -> Result<(Decoded, Share), Refusal> {
    let body = inflate(app, request, &mut share)?;
    let room = body.len() * DECODED_FACTOR;
    share.grow_to(room)?;
    share.shrink_to(room);
    let decoded = decode_body(app, request, body)?;
    Ok((decoded, share))
}

fn decode_body(app: &App, request: &Checked, body: Bytes) -> Result<Decoded, Refusal> {
    let hash = hash_of(request, &body, None);
    let wire = match request.content_type {
        ContentType::Protobuf => body.clone(),
        ContentType::Json => otlp::json::to_protobuf(request.signal, &body)
            .map_err(|source| Refusal::Json { signal: request.signal, source })?
            .into(),
    };
    let (decoder, outcome) = decode_as(app, request, hash, &wire)?;
    if outcome.rows == 0 {
        return Ok(Decoded { prepared: None, outcome, bytes: body.len() });
    }
    if outcome.records_without_time == 0 {
        return Ok(finish(request, decoder, outcome, hash, body.len()));
    }
    // Records without a time of their own look the same whenever they happen: such a body is stored at least once, so
    // that two real ones are two, and its records get ids of their own.
    let hash = hash_of(request, &body, Some(&app.ids.fresh()));
    let (decoder, outcome) = decode_as(app, request, hash, &wire)?;
    Ok(finish(request, decoder, outcome, hash, body.len()))
}

fn decode_as(app: &App, request: &Checked, hash: BodyHash, wire: &[u8]) -> Result<(Decoder, BodyOutcome), Refusal> {
    let context = BodyContext {
        signal: request.signal,
        project: &request.project,
        hash,
        arrived_at: request.arrived_at,
        accepted: request.accepted,
        records_max: app.settings.records_max,
    };
    let mut decoder = Decoder::new(request.signal.table());
    let outcome =
        decoder.push(&context, wire).map_err(|source| Refusal::Protobuf { signal: request.signal, source })?;
    Ok((decoder, outcome))
}

fn finish(request: &Checked, decoder: Decoder, outcome: BodyOutcome, hash: BodyHash, bytes: usize) -> Decoded {
    let (time_min, time_max) = (outcome.time_min, outcome.time_max);
    let prepared = Prepared { hash, batch: decoder.finish(), bytes, time_min, time_max, arrived: request.arrived };
    Decoded { prepared: Some(prepared), outcome, bytes }
}

/// 128 bits of BLAKE3 over project, signal and body; with a salt, a hash that no other body has.
fn hash_of(request: &Checked, body: &[u8], salt: Option<&str>) -> BodyHash {
    let mut hasher = blake3::Hasher::new();
    for part in [request.project.as_str(), request.signal.as_str(), salt.unwrap_or_default()] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.update(body);
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    BodyHash::from_bytes(bytes)
}

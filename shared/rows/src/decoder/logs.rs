//! Log records to rows.

use model::BodyHash;
use otlp::view::common::Value;
use otlp::view::logs::LogRecord;

use super::attributes::Side;
use super::origin::Origin;
use super::outcome::Refusal;
use super::record::{RecordTime, micros, optional_id, set_hex, set_text};
use super::{Body, Decoder, Refused};
use crate::json::hex_of_word;
use crate::tables::codes;

impl Decoder {
    /// Takes the record that is the `place`th of its body.
    pub(super) fn log<'a>(
        &mut self,
        body: &mut Body<'a, '_>,
        origin: &Origin,
        message: &'a [u8],
        place: u32,
    ) -> Result<RecordTime, Refused> {
        let mut log = std::mem::take(&mut body.log);
        let taken = log
            .read(message)
            .map_err(Refused::Body)
            .and_then(|()| self.checked_log(body, origin, &log, message, place));
        body.log = log;
        taken
    }

    fn checked_log<'a>(
        &mut self,
        body: &mut Body<'a, '_>,
        origin: &Origin,
        log: &LogRecord<'a>,
        message: &[u8],
        place: u32,
    ) -> Result<RecordTime, Refused> {
        let trace_id = optional_id(log.trace_id, 16, Refusal::TraceId)?;
        let span_id = optional_id(log.span_id, 8, Refusal::SpanId)?;
        let own_time = if log.time_unix_nano != 0 { log.time_unix_nano } else { log.observed_time_unix_nano };
        let time = RecordTime::new(own_time, &body.context)?;

        let row = self.n_rows;
        let columns = &mut self.logs_and_spans;
        let lossy = &mut body.lossy;
        columns.project_id.set(row, body.project_code);
        columns.signal.set(row, codes::SIGNAL_LOG);
        columns.kind.set(row, codes::KIND_LOG);
        columns.observed_timestamp.set_some(row, micros(log.observed_time_unix_nano));
        uuid(columns.id.open(row), &body.context.hash, place);
        columns.id.close();
        set_text(&mut columns.name, row, log.event_name, lossy);
        columns.level.set_some(row, codes::level(log.severity_number, log.severity_text));
        set_text(&mut columns.severity_text, row, log.severity_text, lossy);
        columns.severity_number.set_some(row, Some(log.severity_number).filter(|number| *number != 0));
        if let Some(trace_id) = trace_id {
            set_hex(&mut columns.trace_id, row, trace_id);
        }
        if let Some(span_id) = span_id {
            set_hex(&mut columns.span_id, row, span_id);
        }
        if log.flags != 0 || trace_id.is_some() {
            columns.trace_flags.set(row, log.flags.into());
        }
        columns.message_size_bytes.set(row, message.len() as i64);
        match log.body {
            Value::Empty => {}
            Value::Text(text) => {
                lossy.append(columns.body.open(row), text);
                columns.body.close();
            }
            structured => {
                lossy.value(columns.body.open(row), structured)?;
                columns.body.close();
            }
        }

        self.attributes.pairs(row, &log.attributes, Side::Else, lossy, &mut body.pending)?;
        self.attributes.own_time(row, "otel.observed_time_unix_nano", log.observed_time_unix_nano);
        self.attributes.own_number(row, "otel.dropped_attributes_count", log.dropped_attributes_count.into());
        self.attributes.end();
        self.collect_exception(body, origin, row);
        self.logs_and_spans.hashes.set(row, &body.hashes);
        Ok(time)
    }
}

/// A UUID (RFC 9562, version 8) from the body's hash and the record's place in it: a retry makes the same one.
///
/// 90 bits of the hash tell bodies apart; the place stands in the last four bytes, so that the ids of a body sort in its order.
fn uuid(out: &mut Vec<u8>, hash: &BodyHash, place: u32) {
    let mut bytes = *hash.as_bytes();
    bytes[6] = 0x80 | bytes[6] & 0x0f;
    bytes[8] = 0x80 | bytes[8] & 0x3f;
    bytes[12..].copy_from_slice(&place.to_be_bytes());
    let word = |at: usize| hex_of_word([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let (first, second, third, last) = (word(0), word(4), word(8), word(12));
    let mut text = *b"00000000-0000-0000-0000-000000000000";
    text[..8].copy_from_slice(&first);
    text[9..13].copy_from_slice(&second[..4]);
    text[14..18].copy_from_slice(&second[4..]);
    text[19..23].copy_from_slice(&third[..4]);
    text[24..28].copy_from_slice(&third[4..]);
    text[28..].copy_from_slice(&last);
    out.extend_from_slice(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_of_hash_and_place() {
        let mut out = Vec::new();
        uuid(&mut out, &BodyHash::from_bytes([0xff; 16]), 258);
        assert_eq!(out, b"ffffffff-ffff-8fff-bfff-ffff00000102");
    }
}

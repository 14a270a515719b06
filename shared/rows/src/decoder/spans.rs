//! Spans to rows.

use otlp::view::trace::{Event, Link, Span};

use super::attributes::Side;
use super::origin::Origin;
use super::outcome::Refusal;
use super::record::{RecordTime, micros, optional_id, required_id, set_hex, set_text};
use super::{Body, Decoder, Refused};
use crate::fingerprint::Exception;
use crate::json::Object;
use crate::tables::codes;

const KIND_SERVER: i32 = 2;

/// Different errors of one span that get a hash; more are found by the span alone.
const HASHES_MAX: usize = 32;

impl Decoder {
    pub(super) fn span<'a>(
        &mut self,
        body: &mut Body<'a, '_>,
        origin: &Origin,
        message: &'a [u8],
    ) -> Result<RecordTime, Refused> {
        let mut span = std::mem::take(&mut body.span);
        let taken =
            span.read(message).map_err(Refused::Body).and_then(|()| self.checked_span(body, origin, &span, message));
        body.span = span;
        taken
    }

    fn checked_span<'a>(
        &mut self,
        body: &mut Body<'a, '_>,
        origin: &Origin,
        span: &Span<'a>,
        message: &[u8],
    ) -> Result<RecordTime, Refused> {
        let trace_id = required_id(span.trace_id, 16, Refusal::TraceId)?;
        let span_id = required_id(span.span_id, 8, Refusal::SpanId)?;
        let parent_id = optional_id(span.parent_span_id, 8, Refusal::ParentSpanId)?;
        let time = RecordTime::new(span.start_time_unix_nano, &body.context)?;

        let row = self.n_rows;
        let columns = &mut self.logs_and_spans;
        let lossy = &mut body.lossy;
        columns.project_id.set(row, body.project_code);
        columns.signal.set(row, codes::SIGNAL_SPAN);
        columns.start_time.set_some(row, micros(span.start_time_unix_nano));
        columns.end_time.set_some(row, micros(span.end_time_unix_nano));
        columns.duration.set_some(row, duration(span));
        set_hex(&mut columns.id, row, span_id);
        if let Some(parent_id) = parent_id {
            set_hex(&mut columns.parent_id, row, parent_id);
        }
        set_text(&mut columns.name, row, span.name, lossy);
        columns.kind.set(row, codes::kind(span.kind));
        columns.status_code.set(row, codes::status(span.status_code));
        set_text(&mut columns.status_message, row, span.status_message, lossy);
        set_hex(&mut columns.trace_id, row, trace_id);
        set_hex(&mut columns.span_id, row, span_id);
        set_text(&mut columns.trace_state, row, span.trace_state, lossy);
        columns.trace_flags.set(row, span.flags.into());
        columns.message_size_bytes.set(row, message.len() as i64);

        let side = if span.kind == KIND_SERVER { Side::Server } else { Side::Else };
        self.attributes.pairs(row, &span.attributes, side, lossy, &mut body.pending)?;
        self.keep_the_rest(row, span);
        self.attributes.end();

        self.collect_exception(body, origin, row);
        self.events(body, origin, row, &span.events)?;
        self.links(body, row, &span.links)?;
        self.logs_and_spans.hashes.set(row, &body.hashes);
        Ok(time)
    }

    /// What has no column: counts of what was dropped before it came here, numbers that the specification does not know, an
    /// end too far off.
    fn keep_the_rest(&mut self, row: usize, span: &Span<'_>) {
        self.attributes.own_time(row, "otel.end_time_unix_nano", span.end_time_unix_nano);
        self.attributes.own_number(row, "otel.dropped_attributes_count", span.dropped_attributes_count.into());
        self.attributes.own_number(row, "otel.dropped_events_count", span.dropped_events_count.into());
        self.attributes.own_number(row, "otel.dropped_links_count", span.dropped_links_count.into());
        if codes::kind(span.kind) == codes::KIND_UNSPECIFIED {
            self.attributes.own_number(row, "otel.kind", span.kind.into());
        }
        if codes::status(span.status_code) == codes::STATUS_UNSET {
            self.attributes.own_number(row, "otel.status_code", span.status_code.into());
        }
    }

    fn events<'a>(
        &mut self,
        body: &mut Body<'a, '_>,
        origin: &Origin,
        row: usize,
        events: &[&'a [u8]],
    ) -> Result<(), Refused> {
        if events.is_empty() {
            return Ok(());
        }
        let lossy = &mut body.lossy;
        let out = self.logs_and_spans.events.open(row);
        out.push(b'[');
        for (n, event) in events.iter().enumerate() {
            let event = Event::read(event)?;
            let mut object = Object::begin(out, n);
            object.text("name", event.name, lossy);
            object.time(event.time_unix_nano);
            object.attributes(&event.attributes, lossy)?;
            object.number("dropped_attributes_count", event.dropped_attributes_count);
            object.end();
            if body.hashes.len() < HASHES_MAX
                && let Some(exception) = Exception::among(&event.attributes)?
            {
                let service = self.origins.service_name(origin);
                add_unique(&mut body.hashes, exception.hash(service));
            }
        }
        out.push(b']');
        self.logs_and_spans.events.close();
        Ok(())
    }

    fn links<'a>(&mut self, body: &mut Body<'a, '_>, row: usize, links: &[&'a [u8]]) -> Result<(), Refused> {
        if links.is_empty() {
            return Ok(());
        }
        let lossy = &mut body.lossy;
        let out = self.logs_and_spans.links.open(row);
        out.push(b'[');
        for (n, link) in links.iter().enumerate() {
            let link = Link::read(link)?;
            let mut object = Object::begin(out, n);
            object.hex("trace_id", link.trace_id);
            object.hex("span_id", link.span_id);
            object.text("trace_state", link.trace_state, lossy);
            object.attributes(&link.attributes, lossy)?;
            object.number("dropped_attributes_count", link.dropped_attributes_count);
            object.number("flags", link.flags);
            object.end();
        }
        out.push(b']');
        self.logs_and_spans.links.close();
        Ok(())
    }

    /// The hash of the exception that the record's own attributes tell of, if they do; begins the record's list of hashes.
    pub(super) fn collect_exception(&mut self, body: &mut Body<'_, '_>, origin: &Origin, row: usize) {
        body.hashes.clear();
        let [kind, message, stack] = self.exception_columns.map(|column| self.attributes.text(column, row));
        if kind.is_none() && message.is_none() && stack.is_none() {
            return;
        }
        let [kind, message, stack] = [kind, message, stack].map(Option::unwrap_or_default);
        let exception = Exception::new(kind, message, stack);
        body.hashes.push(exception.hash(self.origins.service_name(origin)));
    }
}

fn add_unique(hashes: &mut Vec<String>, hash: String) {
    if !hashes.contains(&hash) {
        hashes.push(hash);
    }
}

/// Nanoseconds from start to end, not below 0; None unless the span has both, in 63 bits.
fn duration(span: &Span<'_>) -> Option<i64> {
    if span.start_time_unix_nano == 0 || span.end_time_unix_nano == 0 {
        return None;
    }
    let end = i64::try_from(span.end_time_unix_nano).ok()?;
    let start = i64::try_from(span.start_time_unix_nano).ok()?;
    Some((end - start).max(0))
}

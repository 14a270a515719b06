"""Sends a known set of traces, logs and metrics with the real OpenTelemetry Python SDK, and prints what it sent.

    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 \\
    OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20<ingest key> \\
    OTEL_EXPORTER_OTLP_COMPRESSION=gzip  (or none) \\
    python emit.py --run r1 --traces 3

Endpoint, key, compression and resource come through the standard OTEL_* variables, as in any application; the protocol is
http/protobuf, the only one that this SDK has over HTTP. What is printed on stdout is one JSON document made from the very
objects that the exporter was given, so a test can look for each of them with SQL:

    {"sdk", "run", "resource": {..}, "spans": [..], "logs": [..], "metrics": [..], "failed_exports": n}

Ids are lower-case hex, nanoseconds are decimal strings, byte values are base64 strings. Exit code 1 if an export failed.
"""

import argparse
import base64
import json
import logging
import math
import sys
import time

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExportResult
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics import export as metric_data
from opentelemetry.sdk.metrics.export import MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

SCOPE = ("plimsoll.tests.sdk", "1.2.3")
# One value of each type that an attribute can have; the integer is past what a double holds.
EVERY_TYPE = {
    "test.text": "grüße, 世界 \U0001f6a2",
    "test.empty": "",
    "test.true": True,
    "test.false": False,
    "test.int": 1_152_921_504_606_846_977,
    "test.negative": -42,
    "test.double": 0.1,
    "test.whole_double": 2.0,
    "test.texts": ["a", "b,c", 'd"e'],
    "test.ints": [1, 2, 3],
    "test.doubles": [0.5, 1.5],
    "test.bools": [True, False],
    "test.no_items": [],
}


class Sent:
    """What the exporters were given and the receiver acknowledged."""

    def __init__(self):
        self.resource, self.spans, self.logs, self.metrics, self.failed = {}, [], [], [], 0

    def count(self, ok):
        self.failed += 0 if ok else 1
        return ok


def recording(exporter_class, success, keep):
    """The exporter itself, keeping what it sent."""

    class Recording(exporter_class):
        def export(self, batch, *args, **kwargs):
            result = super().export(batch, *args, **kwargs)
            keep(batch, result == success)
            return result

    return Recording()


def main():
    args = arguments()
    sent = Sent()
    resource = Resource.create({"service.name": "sdk-python", "service.version": "1.0.0", "test.run": args.run})
    sent.resource = plain(resource.attributes)
    tracing, logs, metrics = providers(resource, sent)

    tracer = tracing.get_tracer(*SCOPE)
    logger = logs.get_logger(*SCOPE)
    instruments = Instruments(metrics.get_meter(*SCOPE), args.run)
    for n in range(args.traces):
        order(n, args.run, tracer, logger, instruments)
    outside_of_any_span(args.run, logger)

    for provider in (tracing, logs, metrics):
        provider.force_flush()
        provider.shutdown()
    json.dump(
        {
            "sdk": "python",
            "run": args.run,
            "resource": sent.resource,
            "scope": {"name": SCOPE[0], "version": SCOPE[1]},
            "spans": sent.spans,
            "logs": sent.logs,
            "metrics": sent.metrics,
            "failed_exports": sent.failed,
        },
        sys.stdout,
        ensure_ascii=False,
        allow_nan=False,
    )
    print()
    return 1 if sent.failed else 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="run", help="goes into each record as the attribute test.run")
    parser.add_argument("--traces", type=int, default=2, help="how many traces to send (default 2)")
    return parser.parse_args()


def providers(resource, sent):
    def keep_spans(batch, ok):
        if sent.count(ok):
            sent.spans.extend(span(s) for s in batch)

    def keep_logs(batch, ok):
        if sent.count(ok):
            sent.logs.extend(log(r) for r in batch)

    def keep_metrics(batch, ok):
        if sent.count(ok):
            sent.metrics.extend(
                metric(m) for r in batch.resource_metrics for s in r.scope_metrics for m in s.metrics
            )

    tracing = TracerProvider(resource=resource)
    tracing.add_span_processor(BatchSpanProcessor(recording(OTLPSpanExporter, SpanExportResult.SUCCESS, keep_spans)))
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(
        BatchLogRecordProcessor(recording(OTLPLogExporter, LogRecordExportResult.SUCCESS, keep_logs))
    )
    # Never by itself: one export, when the provider is flushed.
    reader = PeriodicExportingMetricReader(
        recording(OTLPMetricExporter, MetricExportResult.SUCCESS, keep_metrics), export_interval_millis=math.inf
    )
    exponential = View(
        instrument_type=Histogram,
        instrument_name="sdk.payload.size",
        aggregation=ExponentialBucketHistogramAggregation(max_size=40),
    )
    metrics = MeterProvider(resource=resource, metric_readers=[reader], views=[exponential])
    return tracing, logs, metrics


class Instruments:
    """One instrument of each kind."""

    def __init__(self, meter, run):
        self.orders = meter.create_counter("sdk.orders", unit="{order}", description="Orders placed")
        self.queued = meter.create_up_down_counter("sdk.queued", unit="{order}", description="Orders waiting")
        self.amount = meter.create_counter("sdk.amount", unit="EUR", description="Turnover, in doubles")
        self.temperature = meter.create_gauge("sdk.temperature", unit="Cel", description="Of the oven")
        self.duration = meter.create_histogram(
            "sdk.duration", unit="s", description="Of an order", explicit_bucket_boundaries_advisory=[0.1, 0.5, 1.0]
        )
        self.size = meter.create_histogram("sdk.payload.size", unit="By", description="Exponential")

        def memory(_: CallbackOptions):
            yield Observation(123_456_789, {"test.run": run, "test.pool": "heap"})

        meter.create_observable_gauge("sdk.memory", [memory], unit="By", description="Observed")


def order(n, run, tracer, logger, instruments):
    """A server span with a client and a producer inside, a linked consumer, an exception on every second one."""
    mine = {"test.run": run, "test.n": n}
    with tracer.start_as_current_span(
        "POST /orders/{id}",
        kind=SpanKind.SERVER,
        attributes={
            **mine,
            **EVERY_TYPE,
            "http.request.method": "POST",
            "http.route": "/orders/{id}",
            "url.path": f"/orders/{n}",
            "http.response.status_code": 500 if n % 2 else 201,
            "client.address": "192.0.2.7",
            "user.id": f"user-{n}",
            "session.id": f"session-{n}",
        },
    ) as server:
        server.add_event("order.received", {"order.items": n + 1, "order.tags": ["new", "web"]})
        logger.emit(
            LogRecord(
                timestamp=time.time_ns(),
                severity_number=SeverityNumber.INFO,
                severity_text="INFO",
                body=f"order {n} received from 192.0.2.7 after {n * 7 + 3} ms",
                attributes=dict(mine),
            )
        )
        with tracer.start_as_current_span(
            "SELECT stock",
            kind=SpanKind.CLIENT,
            attributes={
                **mine,
                "db.system.name": "postgresql",
                "db.namespace": "shop",
                "db.operation.name": "SELECT",
                "db.query.text": "SELECT quantity FROM stock WHERE sku = $1",
                "server.address": "db.internal",
                "server.port": 5432,
            },
        ) as client:
            client.set_status(Status(StatusCode.OK))
        with tracer.start_as_current_span(
            "send orders",
            kind=SpanKind.PRODUCER,
            attributes={**mine, "messaging.system": "kafka", "messaging.destination.name": "orders"},
        ) as producer:
            produced = producer.get_span_context()
        if n % 2:
            fail(n, mine, server, logger)
        instruments.orders.add(n + 1, {"test.run": run, "order.paid": n % 2 == 0})
        instruments.amount.add(9.5 * (n + 1), {"test.run": run})
        instruments.queued.add(3 - 2 * n, {"test.run": run})
        instruments.temperature.set(180.25 + n, {"test.run": run})
        instruments.duration.record(0.05 + n * 0.4, {"test.run": run})
        instruments.size.record(100 * (n + 1) ** 2, {"test.run": run})
    with tracer.start_as_current_span(
        "process orders",
        context=trace.set_span_in_context(trace.INVALID_SPAN),
        kind=SpanKind.CONSUMER,
        links=[Link(produced, {"messaging.message.id": f"m-{n}"})],
        attributes={**mine, "messaging.system": "kafka", "messaging.operation.type": "process"},
    ):
        with tracer.start_as_current_span("pack", attributes=dict(mine)):
            pass


def fail(n, mine, server, logger):
    """An exception recorded on the span and once more as a log."""
    try:
        charge(n)
    except ValueError as error:
        server.record_exception(error)
        server.set_status(Status(StatusCode.ERROR, str(error)))
        logger.emit(
            LogRecord(
                timestamp=time.time_ns(),
                severity_number=SeverityNumber.ERROR2,
                severity_text="ERROR",
                body={"message": "charge failed", "attempt": n, "card": {"provider": "nordpay", "declined": True}},
                attributes={**mine, "order.lines": [{"sku": "A-1", "quantity": 2}, {"sku": "B-2", "quantity": 1}]},
                exception=error,
            )
        )


def charge(n):
    raise ValueError(f"card {1000 + n} was declined")


def outside_of_any_span(run, logger):
    """Logs without trace context: text through the standard severities, bytes, a list, an event, no time of its own."""
    for number, text in ((SeverityNumber.TRACE, "TRACE"), (SeverityNumber.DEBUG, "DEBUG"), (SeverityNumber.WARN, "WARN"),
                         (SeverityNumber.FATAL, "FATAL")):
        logger.emit(
            LogRecord(timestamp=time.time_ns(), severity_number=number, severity_text=text, body=f"a line of {text}",
                      attributes={"test.run": run})
        )
    logger.emit(LogRecord(body=b"\x00\x01plimsoll\xff", attributes={"test.run": run, "test.bytes": b"\xfe\xed"}))
    logger.emit(LogRecord(body=["a", 1, 2.5, False, None, {"deep": [1]}], attributes={"test.run": run}))
    logger.emit(LogRecord(event_name="shop.opened", attributes={"test.run": run, "shop.door": "front"}))


# From the SDK's objects to plain JSON.


def plain(value):
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if hasattr(value, "items"):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def span(s):
    return {
        "trace_id": f"{s.context.trace_id:032x}",
        "span_id": f"{s.context.span_id:016x}",
        "parent_id": f"{s.parent.span_id:016x}" if s.parent else None,
        "trace_state": s.context.trace_state.to_header() or None,
        "name": s.name,
        "kind": s.kind.name.lower(),
        "start_time_unix_nano": str(s.start_time),
        "end_time_unix_nano": str(s.end_time),
        "status_code": s.status.status_code.name,
        "status_message": s.status.description,
        "attributes": plain(s.attributes or {}),
        "events": [
            {"name": e.name, "time_unix_nano": str(e.timestamp), "attributes": plain(e.attributes or {})} for e in s.events
        ],
        "links": [
            {
                "trace_id": f"{x.context.trace_id:032x}",
                "span_id": f"{x.context.span_id:016x}",
                "attributes": plain(x.attributes or {}),
            }
            for x in s.links
        ],
    }


def log(readable):
    r = readable.log_record
    return {
        "trace_id": f"{r.trace_id:032x}" if r.trace_id else None,
        "span_id": f"{r.span_id:016x}" if r.span_id else None,
        "time_unix_nano": str(r.timestamp) if r.timestamp else None,
        "observed_time_unix_nano": str(r.observed_timestamp),
        "severity_number": r.severity_number.value if r.severity_number else None,
        "severity_text": r.severity_text,
        "event_name": r.event_name,
        "body": plain(r.body),
        "attributes": plain(r.attributes or {}),
    }


TEMPORALITY = {0: None, 1: "delta", 2: "cumulative"}


def metric(m):
    data = m.data
    kinds = {
        metric_data.Gauge: "gauge",
        metric_data.Sum: "sum",
        metric_data.Histogram: "histogram",
        metric_data.ExponentialHistogram: "exponential_histogram",
    }
    return {
        "name": m.name,
        "unit": m.unit,
        "description": m.description,
        "type": kinds[type(data)],
        "temporality": TEMPORALITY[int(getattr(data, "aggregation_temporality", 0))],
        "is_monotonic": getattr(data, "is_monotonic", None),
        "points": [point(p) for p in data.data_points],
    }


def point(p):
    common = {
        "attributes": plain(p.attributes or {}),
        "start_time_unix_nano": str(p.start_time_unix_nano) if p.start_time_unix_nano else None,
        "time_unix_nano": str(p.time_unix_nano),
        "exemplars": [
            {
                "value": e.value,
                "time_unix_nano": str(e.time_unix_nano),
                "trace_id": f"{e.trace_id:032x}" if e.trace_id else None,
                "span_id": f"{e.span_id:016x}" if e.span_id else None,
            }
            for e in p.exemplars
        ],
    }
    if isinstance(p, metric_data.NumberDataPoint):
        return {**common, "value": p.value, "value_type": type(p.value).__name__.replace("float", "double")}
    common |= {"count": p.count, "sum": p.sum, "min": p.min, "max": p.max}
    if isinstance(p, metric_data.HistogramDataPoint):
        return {**common, "bucket_counts": list(p.bucket_counts), "explicit_bounds": list(p.explicit_bounds)}
    return {
        **common,
        "scale": p.scale,
        "zero_count": p.zero_count,
        "positive_offset": p.positive.offset,
        "positive_counts": list(p.positive.bucket_counts),
        "negative_offset": p.negative.offset,
        "negative_counts": list(p.negative.bucket_counts),
    }


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    sys.exit(main())

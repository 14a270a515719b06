// Sends a known set of traces, logs and metrics with the real OpenTelemetry Node SDK, and prints what it sent.
//
//     OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 \
//     OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20<ingest key> \
//     OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf  (or http/json) \
//     OTEL_EXPORTER_OTLP_COMPRESSION=gzip        (or none) \
//     node emit.js --run r1 --traces 3
//
// Endpoint, key, protocol, compression and resource come through the standard OTEL_* variables, as in any application. What
// is printed on stdout is one JSON document made from the very objects that the exporter was given, in the same shape as
// that of ../python/emit.py. Ids are lower-case hex, nanoseconds are decimal strings, byte values are base64 strings; numbers
// are JavaScript's, so a whole double is sent as an integer. Exit code 1 if an export failed.
//
// Modules may lie elsewhere: run `npm ci` on package.json and package-lock.json in a folder outside of the checkout, and name
// its node_modules in NODE_PATH.

'use strict';

const { parseArgs } = require('node:util');
const {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  ValueType,
  context,
  metrics: metricsApi,
  trace,
} = require('@opentelemetry/api');
const { SeverityNumber, logs: logsApi } = require('@opentelemetry/api-logs');
const { NodeSDK, core, logs, metrics, resources, tracing } = require('@opentelemetry/sdk-node');

const SCOPE = ['plimsoll.tests.sdk', '1.2.3'];
// One value of each type that an attribute can have; the integer is the largest that JSON's numbers carry without loss.
const EVERY_TYPE = {
  'test.text': 'grüße, 世界 \u{1f6a2}',
  'test.empty': '',
  'test.true': true,
  'test.false': false,
  'test.int': 2 ** 53 - 1,
  'test.negative': -42,
  'test.double': 0.1,
  'test.whole_double': 2.0,
  'test.texts': ['a', 'b,c', 'd"e'],
  'test.ints': [1, 2, 3],
  'test.doubles': [0.5, 1.5],
  'test.bools': [true, false],
  'test.no_items': [],
};

const { values: args } = parseArgs({
  options: { run: { type: 'string', default: 'run' }, traces: { type: 'string', default: '2' } },
});
const protocol = process.env.OTEL_EXPORTER_OTLP_PROTOCOL ?? 'http/protobuf';
const sent = { sdk: 'node', protocol, run: args.run, resource: {}, scope: { name: SCOPE[0], version: SCOPE[1] } };
Object.assign(sent, { spans: [], logs: [], metrics: [], failed_exports: 0 });

const sdk = start();
const tracer = trace.getTracer(...SCOPE);
const logger = logsApi.getLogger(...SCOPE);
const instruments = makeInstruments(metricsApi.getMeter(...SCOPE));
for (let n = 0; n < Number(args.traces); n++) order(n);
outsideOfAnySpan();
sdk
  .shutdown()
  .catch((error) => process.stderr.write(`${error}\n`))
  .then(() => {
    process.stdout.write(JSON.stringify(sent) + '\n');
    process.exitCode = sent.failed_exports ? 1 : 0;
  });

function start() {
  const { Traces, Logs, Metrics } = exporters();
  const sdk = new NodeSDK({
    resource: resources.resourceFromAttributes({
      'service.name': 'sdk-node',
      'service.version': '1.0.0',
      'test.run': args.run,
    }),
    spanProcessors: [new tracing.BatchSpanProcessor(recording(new Traces(), (batch) => sent.spans.push(...batch.map(span))))],
    logRecordProcessors: [
      new logs.BatchLogRecordProcessor({
        exporter: recording(new Logs(), (batch) => sent.logs.push(...batch.map(log))),
      }),
    ],
    metricReaders: [
      // Never by itself within a test: one export, at shutdown.
      new metrics.PeriodicExportingMetricReader({
        exporter: recording(new Metrics(), (batch) =>
          sent.metrics.push(...batch.scopeMetrics.flatMap((s) => s.metrics.map(metric))),
        ),
        exportIntervalMillis: 3_600_000,
      }),
    ],
    views: [
      {
        instrumentName: 'sdk.payload.size',
        aggregation: { type: metrics.AggregationType.EXPONENTIAL_HISTOGRAM, options: { maxSize: 40, recordMinMax: true } },
      },
    ],
  });
  sdk.start();
  return sdk;
}

function exporters() {
  const kind = { 'http/protobuf': 'proto', 'http/json': 'http' }[protocol];
  if (!kind) throw new Error(`OTEL_EXPORTER_OTLP_PROTOCOL is ${protocol}: this program speaks http/protobuf and http/json`);
  return {
    Traces: require(`@opentelemetry/exporter-trace-otlp-${kind}`).OTLPTraceExporter,
    Logs: require(`@opentelemetry/exporter-logs-otlp-${kind}`).OTLPLogExporter,
    Metrics: require(`@opentelemetry/exporter-metrics-otlp-${kind}`).OTLPMetricExporter,
  };
}

// The exporter itself, keeping what it sent.
function recording(exporter, keep) {
  const inner = exporter.export.bind(exporter);
  exporter.export = (batch, done) =>
    inner(batch, (result) => {
      if (result.code === core.ExportResultCode.SUCCESS) {
        const resource = batch.resource ?? batch[0]?.resource;
        if (resource) sent.resource = plain(resource.attributes);
        keep(batch);
      } else {
        sent.failed_exports++;
        process.stderr.write(`export failed: ${result.error}\n`);
      }
      done(result);
    });
  return exporter;
}

function makeInstruments(meter) {
  meter
    .createObservableGauge('sdk.memory', { unit: 'By', description: 'Observed', valueType: ValueType.INT })
    .addCallback((result) => result.observe(123_456_789, { 'test.run': args.run, 'test.pool': 'heap' }));
  return {
    orders: meter.createCounter('sdk.orders', { unit: '{order}', description: 'Orders placed', valueType: ValueType.INT }),
    amount: meter.createCounter('sdk.amount', { unit: 'EUR', description: 'Turnover, in doubles' }),
    queued: meter.createUpDownCounter('sdk.queued', {
      unit: '{order}',
      description: 'Orders waiting',
      valueType: ValueType.INT,
    }),
    temperature: meter.createGauge('sdk.temperature', { unit: 'Cel', description: 'Of the oven' }),
    duration: meter.createHistogram('sdk.duration', {
      unit: 's',
      description: 'Of an order',
      advice: { explicitBucketBoundaries: [0.1, 0.5, 1] },
    }),
    size: meter.createHistogram('sdk.payload.size', { unit: 'By', description: 'Exponential' }),
  };
}

// A server span with a client and a producer inside, a linked consumer, an exception on every second one.
function order(n) {
  const mine = { 'test.run': args.run, 'test.n': n };
  const produced = tracer.startActiveSpan(
    'POST /orders/{id}',
    {
      kind: SpanKind.SERVER,
      attributes: {
        ...mine,
        ...EVERY_TYPE,
        'http.request.method': 'POST',
        'http.route': '/orders/{id}',
        'url.path': `/orders/${n}`,
        'http.response.status_code': n % 2 ? 500 : 201,
        'client.address': '192.0.2.7',
        'user.id': `user-${n}`,
        'session.id': `session-${n}`,
      },
    },
    ROOT_CONTEXT,
    (server) => {
      server.addEvent('order.received', { 'order.items': n + 1, 'order.tags': ['new', 'web'] });
      logger.emit({
        timestamp: Date.now(),
        severityNumber: SeverityNumber.INFO,
        severityText: 'INFO',
        body: `order ${n} received from 192.0.2.7 after ${n * 7 + 3} ms`,
        attributes: mine,
      });
      tracer.startActiveSpan(
        'SELECT stock',
        {
          kind: SpanKind.CLIENT,
          attributes: {
            ...mine,
            'db.system.name': 'postgresql',
            'db.namespace': 'shop',
            'db.operation.name': 'SELECT',
            'db.query.text': 'SELECT quantity FROM stock WHERE sku = $1',
            'server.address': 'db.internal',
            'server.port': 5432,
          },
        },
        (client) => client.setStatus({ code: SpanStatusCode.OK }).end(),
      );
      const producer = tracer.startSpan('send orders', {
        kind: SpanKind.PRODUCER,
        attributes: { ...mine, 'messaging.system': 'kafka', 'messaging.destination.name': 'orders' },
      });
      producer.end();
      if (n % 2) fail(n, mine, server);
      instruments.orders.add(n + 1, { 'test.run': args.run, 'order.paid': n % 2 === 0 });
      instruments.amount.add(9.5 * (n + 1), { 'test.run': args.run });
      instruments.queued.add(3 - 2 * n, { 'test.run': args.run });
      instruments.temperature.record(180.25 + n, { 'test.run': args.run });
      instruments.duration.record(0.05 + n * 0.4, { 'test.run': args.run });
      instruments.size.record(100 * (n + 1) ** 2, { 'test.run': args.run });
      server.end();
      return producer.spanContext();
    },
  );
  tracer.startActiveSpan(
    'process orders',
    {
      kind: SpanKind.CONSUMER,
      links: [{ context: produced, attributes: { 'messaging.message.id': `m-${n}` } }],
      attributes: { ...mine, 'messaging.system': 'kafka', 'messaging.operation.type': 'process' },
    },
    ROOT_CONTEXT,
    (consumer) => {
      tracer.startSpan('pack', { attributes: mine }, context.active()).end();
      consumer.end();
    },
  );
}

// An exception recorded on the span and once more as a log.
function fail(n, mine, server) {
  try {
    charge(n);
  } catch (error) {
    server.recordException(error);
    server.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    logger.emit({
      timestamp: Date.now(),
      severityNumber: SeverityNumber.ERROR2,
      severityText: 'ERROR',
      body: { message: 'charge failed', attempt: n, card: { provider: 'nordpay', declined: true } },
      attributes: {
        ...mine,
        'order.lines': [
          { sku: 'A-1', quantity: 2 },
          { sku: 'B-2', quantity: 1 },
        ],
      },
      exception: error,
    });
  }
}

function charge(n) {
  throw new RangeError(`card ${1000 + n} was declined`);
}

// Logs without trace context: text through the standard severities, bytes, a list, an event.
function outsideOfAnySpan() {
  const mine = { 'test.run': args.run };
  for (const text of ['TRACE', 'DEBUG', 'WARN', 'FATAL']) {
    logger.emit({ severityNumber: SeverityNumber[text], severityText: text, body: `a line of ${text}`, attributes: mine });
  }
  logger.emit({
    body: new Uint8Array([0, 1, 0x70, 0xff]),
    attributes: { ...mine, 'test.bytes': new Uint8Array([0xfe, 0xed]) },
  });
  logger.emit({ body: ['a', 1, 2.5, false, null, { deep: [1] }], attributes: mine });
  logger.emit({ eventName: 'shop.opened', attributes: { ...mine, 'shop.door': 'front' } });
}

// From the SDK's objects to plain JSON.

function plain(value) {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(plain);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
  }
  return value ?? null;
}

function nanos([seconds, rest]) {
  const n = BigInt(seconds) * 1_000_000_000n + BigInt(rest);
  return n === 0n ? null : n.toString();
}

function span(s) {
  return {
    trace_id: s.spanContext().traceId,
    span_id: s.spanContext().spanId,
    parent_id: s.parentSpanContext?.spanId ?? null,
    trace_state: s.spanContext().traceState?.serialize() ?? null,
    name: s.name,
    kind: SpanKind[s.kind].toLowerCase(),
    start_time_unix_nano: nanos(s.startTime),
    end_time_unix_nano: nanos(s.endTime),
    status_code: SpanStatusCode[s.status.code],
    status_message: s.status.message ?? null,
    attributes: plain(s.attributes),
    events: s.events.map((e) => ({ name: e.name, time_unix_nano: nanos(e.time), attributes: plain(e.attributes ?? {}) })),
    links: s.links.map((x) => ({
      trace_id: x.context.traceId,
      span_id: x.context.spanId,
      attributes: plain(x.attributes ?? {}),
    })),
  };
}

function log(r) {
  return {
    trace_id: r.spanContext?.traceId ?? null,
    span_id: r.spanContext?.spanId ?? null,
    time_unix_nano: nanos(r.hrTime),
    observed_time_unix_nano: nanos(r.hrTimeObserved),
    severity_number: r.severityNumber ?? null,
    severity_text: r.severityText ?? null,
    event_name: r.eventName ?? null,
    body: plain(r.body),
    attributes: plain(r.attributes),
  };
}

function metric(m) {
  const kind = metrics.DataPointType[m.dataPointType].toLowerCase();
  const temporality = { 0: 'delta', 1: 'cumulative' }[m.aggregationTemporality];
  return {
    name: m.descriptor.name,
    unit: m.descriptor.unit,
    description: m.descriptor.description,
    type: kind,
    temporality: kind === 'gauge' ? null : temporality,
    is_monotonic: kind === 'sum' ? m.isMonotonic : null,
    points: m.dataPoints.map((p) => ({
      attributes: plain(p.attributes),
      start_time_unix_nano: nanos(p.startTime),
      time_unix_nano: nanos(p.endTime),
      exemplars: [],
      ...measured(kind, p.value, m.descriptor.valueType),
    })),
  };
}

function measured(kind, v, valueType) {
  if (kind === 'gauge' || kind === 'sum') return { value: v, value_type: valueType === ValueType.INT ? 'int' : 'double' };
  const common = { count: v.count, sum: v.sum ?? null, min: v.min ?? null, max: v.max ?? null };
  if (kind === 'histogram') return { ...common, bucket_counts: v.buckets.counts, explicit_bounds: v.buckets.boundaries };
  return {
    ...common,
    scale: v.scale,
    zero_count: v.zeroCount,
    positive_offset: v.positive.offset,
    positive_counts: v.positive.bucketCounts,
    negative_offset: v.negative.offset,
    negative_counts: v.negative.bucketCounts,
  };
}

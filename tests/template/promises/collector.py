"""What keeps a Collector configuration from sending to us safely."""

LAMBDA_PAYLOAD_BYTES = 6 * 1024 * 1024
BATCH_BYTES_MAX = 3_000_000
BATCH_ITEMS_MAX = 4_000


def collector_problems(config):
    """In words, whatever is wrong with it."""
    sending = {n: e for n, e in config["exporters"].items() if n.split("/")[0] in ("otlp_http", "otlphttp")}
    if not sending:
        yield "nothing sends OTLP over HTTP"
    for name, exporter in sending.items():
        if not str(exporter["endpoint"]).startswith(("https://", "${env:")):
            yield f"{name} sends in plain text"
        if exporter.get("compression") not in ("zstd", "gzip"):
            yield f"{name} does not compress"
        if exporter.get("headers", {}).get("x-api-key") != "${env:PLIMSOLL_INGEST_KEY}":
            yield f"{name} has no key from the environment"
        if exporter.get("retry_on_failure", {}).get("enabled") is not True:
            yield f"{name} gives up at the first failure"
        yield from gathering_problems(name, exporter.get("sending_queue", {}), config["processors"])
    for name, pipeline in config["service"]["pipelines"].items():
        for role in ["receivers", "processors", "exporters"]:
            unknown = set(pipeline.get(role, [])) - config.get(role, {}).keys()
            if unknown:
                yield f"pipeline {name} names {unknown}, which is not there"
        order = pipeline.get("processors", [])
        if order[:1] != ["memory_limiter"] and order != ["batch", "decouple"]:
            yield f"pipeline {name} takes {order}: neither bounded memory first, nor an extension's pair"
    if {n.split("/")[0] for n in config["service"]["pipelines"]} != {"traces", "logs", "metrics"}:
        yield "not all signals are sent"
    unknown = set(config["service"].get("extensions", [])) ^ config.get("extensions", {}).keys()
    if unknown:
        yield f"extensions {unknown} are named on one side only"


def gathering_problems(name, queue, processors):
    """Requests small enough for Lambda, and no smaller than they must be."""
    if queue.get("enabled"):
        batch = queue.get("batch", {})
        if batch.get("sizer") != "bytes":
            yield f"{name} does not gather by bytes"
        if not 0 < batch.get("max_size", 0) <= BATCH_BYTES_MAX < LAMBDA_PAYLOAD_BYTES * 3 / 4:
            yield f"{name} sends {batch.get('max_size')} bytes at once"
        if not 0 < batch.get("min_size", 0) <= batch.get("max_size", 0):
            yield f"{name} sends too little at once"
    elif not 0 < processors.get("batch", {}).get("send_batch_max_size", 0) <= BATCH_ITEMS_MAX:
        yield f"{name} sends batches of any size"

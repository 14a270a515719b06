#!/usr/bin/env python3
"""A function for the tests of the dev cloud itself: does what its event says, and answers what it knows.

Environment: DIE_IN_INIT=exit|error ends it before it asks for an event. Events: {"sleep_ms": n}, {"exit": code}, {"fail": text},
{"answer_bytes": n}, {"stream": [pieces]}, {"cut_off": true}, {"count_later": true}; otherwise it answers what it got.
"""

import http.client
import json
import os
import sys
import threading
import time

BASE = "/2018-06-01/runtime"
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
counted = 0


def post(path, body, headers={}):
    api.request("POST", BASE + path, body, headers)
    answer = api.getresponse()
    answer.read()
    return answer.status


def count():
    global counted
    while True:
        time.sleep(0.01)
        counted += 1


how = os.environ.get("DIE_IN_INIT")
if how == "error":
    post("/init/error", json.dumps({"errorType": "Config.Missing", "errorMessage": "PLIMSOLL_TABLE is missing"}))
if how:
    sys.exit(3)

threading.Thread(target=count, daemon=True).start()
while True:
    api.request("GET", BASE + "/invocation/next")
    got = api.getresponse()
    event = json.loads(got.read())
    request_id = got.headers["lambda-runtime-aws-request-id"]
    print("invoked", request_id, flush=True)
    time.sleep(event.get("sleep_ms", 0) / 1000)
    if "exit" in event:
        sys.exit(event["exit"])
    if "fail" in event:
        post(f"/invocation/{request_id}/error", json.dumps({"errorType": "Echo", "errorMessage": event["fail"]}))
        continue
    if "stream" in event:
        prelude = {"statusCode": 201, "headers": {"content-type": "text/plain"}, "cookies": ["a=1"]}

        def pieces():
            yield json.dumps(prelude).encode()
            yield bytes(8)
            for piece in event["stream"]:
                yield piece.encode()
            if event.get("cut_off"):
                os._exit(1)

        headers = {"Lambda-Runtime-Function-Response-Mode": "streaming", "Transfer-Encoding": "chunked"}
        api.request("POST", f"{BASE}/invocation/{request_id}/response", pieces(), headers, encode_chunked=True)
        api.getresponse().read()
        continue
    headers = {name.lower(): value for name, value in got.getheaders()}
    answer = {"event": event, "headers": headers, "environment": dict(os.environ), "pid": os.getpid(), "counted": counted}
    body = json.dumps(answer)
    if "answer_bytes" in event:
        body = json.dumps("a" * (event["answer_bytes"] - 2))
    post(f"/invocation/{request_id}/response", body)

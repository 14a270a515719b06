"""Asks other engines the same questions of our tables, and prints what each answers.

    python check.py --table otel_logs_and_spans=<folder> --table otel_metrics=<folder> < checks.json

Each engine opens each table's folder its own way, with nothing of ours in between:

- `deltalake`: delta-rs for Python, its own log reader and SQL
- `duckdb`: its own Parquet reader over the active file list; `date` and `signal` come from the folders' names
- `polars`: `scan_delta` and its own SQL

stdin is a list of {"name", "sql"}: SELECTs in the dialect that all of them share, over the table names given. stdout is

    {"files": {<table>: n}, "engines": {<engine>: {<check name>: {"columns": [..], "rows": [[..], ..]} or {"error": ".."}}}}

Dates are YYYY-MM-DD, timestamps microseconds since 1970 UTC, bytes hex; rows are sorted unless the SQL says ORDER BY. Exit
code 1 if any engine failed any check.
"""

import argparse
import datetime
import decimal
import json
import re
import sys
import urllib.parse

import duckdb
import polars
import pyarrow
from deltalake import DeltaTable, QueryBuilder

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", action="append", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--engine", action="append", choices=sorted(ENGINES), help="only this one (may be repeated)")
    args = parser.parse_args()
    folders = dict(t.split("=", 1) for t in args.table)
    checks = json.load(sys.stdin)

    tables = {name: DeltaTable(folder) for name, folder in folders.items()}
    answers = {}
    for engine in args.engine or ENGINES:
        ask = ENGINES[engine](folders, tables)
        answers[engine] = {check["name"]: attempt(ask, check["sql"]) for check in checks}
    files = {name: len(table.file_uris()) for name, table in tables.items()}
    json.dump({"files": files, "engines": answers}, sys.stdout, ensure_ascii=False)
    print()
    return 1 if any("error" in a for of_engine in answers.values() for a in of_engine.values()) else 0


def attempt(ask, sql):
    try:
        answer = ask(sql)
    except Exception as error:  # an engine's answer like any other: the caller compares and reports
        return {"error": f"{type(error).__name__}: {error}"}
    columns = [answer.column(n).to_pylist() for n in range(answer.num_columns)]
    rows = [[plain(v) for v in row] for row in zip(*columns)]
    if not re.search(r"\border\s+by\b", sql, re.IGNORECASE):
        rows.sort(key=lambda row: [(v is not None, str(v)) for v in row])
    return {"columns": answer.column_names, "rows": rows}


# Each opens the tables and returns a function from SQL to an Arrow table.


def open_deltalake(folders, tables):
    builder = QueryBuilder()
    for name, table in tables.items():
        builder.register(name, table)

    return lambda sql: pyarrow.RecordBatchReader.from_stream(builder.execute(sql)).read_all()


def open_duckdb(folders, tables):
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for name, table in tables.items():
        paths = [local_path(uri) for uri in table.file_uris()]
        quoted = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
        connection.execute(
            f'CREATE VIEW "{name}" AS SELECT * FROM read_parquet('
            f"[{quoted}], hive_partitioning = true, hive_types = {{'date': DATE}}, union_by_name = true)"
        )
    return lambda sql: connection.sql(sql).to_arrow_table()


def open_polars(folders, tables):
    context = polars.SQLContext({name: polars.scan_delta(folder) for name, folder in folders.items()})
    return lambda sql: context.execute(sql).collect().to_arrow()


ENGINES = {"deltalake": open_deltalake, "duckdb": open_duckdb, "polars": open_polars}


def local_path(uri):
    return urllib.parse.unquote(uri.removeprefix("file://")) if uri.startswith("file://") else uri


def plain(value):
    if isinstance(value, datetime.datetime):
        at = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
        return (at - EPOCH) // datetime.timedelta(microseconds=1)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


if __name__ == "__main__":
    sys.exit(main())

"""One engine of `tests/bench suite`: reads requests as JSON lines, answers as JSON lines, on two threads.

    engine.py duckdb|chdb THREADS

{"tables": {name: [file, ...]}}     the data files that the tables have from now on
{"sql": ..., "columns": [...]}      asks; `columns` names those that the answer gives back (null: all; []: none, only the time)

A time is from the text of the question to all of the answer as Arrow. Answers come as text and numbers: times are microseconds.
"""

import json
import sys
import threading
import time

import pyarrow as pa
import pyarrow.compute as pc

TIMEOUT_S = 30


class DuckDb:
    def __init__(self, threads):
        import duckdb

        self.connection = duckdb.connect()
        self.version = duckdb.__version__
        # Footers are kept from one question to the next, as ours are.
        for setting in [f"threads = {threads}", "TimeZone = 'UTC'", "parquet_metadata_cache = true"]:
            self.connection.execute(f"SET {setting}")

    def tables(self, tables):
        for name, files in tables.items():
            self.connection.execute(
                f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM read_parquet({files}, hive_partitioning = true)"
            )

    def ask(self, sql):
        timer = threading.Timer(TIMEOUT_S, self.connection.interrupt)
        timer.start()
        try:
            return self.connection.sql(sql).to_arrow_table()
        finally:
            timer.cancel()

    def table(self, answer):
        return answer


class ChDb:
    def __init__(self, threads):
        import chdb
        from chdb.session import Session

        self.session = Session()
        self.version = chdb.__version__
        self.sources = {}
        self.settings = (
            f" SETTINGS max_threads = {threads}, max_execution_time = {TIMEOUT_S}, use_hive_partitioning = 1,"
            " output_format_arrow_string_as_string = 1"
        )

    def tables(self, tables):
        # It takes a pattern: the files of a question lie in a folder of their own.
        for name, files in tables.items():
            folder, below = files[0].split("/date=", 1)
            self.sources[name] = f"file('{folder}{'/*' * below.count('/')}/*.parquet', 'Parquet')"

    def ask(self, sql):
        for name, source in self.sources.items():
            sql = sql.replace(name, source)
        return self.session.query(sql + self.settings, "Arrow").bytes()

    def table(self, answer):
        return pa.ipc.open_file(pa.BufferReader(answer)).read_all()


def plain(column):
    """Numbers as floats, times as microseconds, everything else as text."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return pc.cast(pc.cast(column, pa.timestamp("us", kind.tz)), pa.int64()).to_pylist()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return [None if value is None else float(value) for value in column.to_pylist()]
    return [None if value is None else str(value) for value in column.to_pylist()]


def answer(engine, request):
    if "tables" in request:
        engine.tables(request["tables"])
        return {}
    started = time.perf_counter()
    answered = engine.ask(request["sql"])
    ms = (time.perf_counter() - started) * 1e3
    columns = request["columns"]
    if columns == []:
        return {"ms": ms}
    table = engine.table(answered)
    if columns is not None:
        table = table.select(columns)
    rows = list(map(list, zip(*(plain(column) for column in table.columns))))
    return {"ms": ms, "rows": rows}


def main():
    name, threads = sys.argv[1:]
    engine = {"duckdb": DuckDb, "chdb": ChDb}[name](threads)
    print(json.dumps({"version": engine.version}), flush=True)
    for line in sys.stdin:
        try:
            reply = answer(engine, json.loads(line))
        except Exception as error:  # whatever it is, the bench shows it
            reply = {"error": f"{type(error).__name__}: {error}"[:2000]}
        print(json.dumps(reply), flush=True)


main()

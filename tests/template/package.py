"""Builds the light functions as `sam build` does, for this machine's processor, and looks at what came of it.

    python package.py FOLDER        artefacts stay below FOLDER, so that a second run builds only what changed

Prints a line a test, and closes as `cargo test` does: `test result: ok. 10 passed; 0 failed`.
"""

import os
import platform
import re
import subprocess
import sys
import time
import traceback
from functools import partial
from pathlib import Path

from samcli.lib.package.utils import make_zip_with_lambda_permissions, zip_folder

ROOT = Path(__file__).resolve().parents[2]
LIGHT = {"IngestFunction": "ingest", "ApiFunction": "api"}
# Of the package that is uploaded: what a cold start has to fetch and unpack.
ZIPPED_BYTES_MAX = {"ingest": 4_000_000, "api": 4_300_000}
# The tables by which a panic finds who catches it; a program that aborts instead has next to none.
UNWIND_TABLE_BYTES_MIN = 100_000
# What Amazon Linux 2023 has.
GLIBC_MAX = (2, 34)
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
BUILD_SECONDS_MAX = 45 * 60
# Of all crates, those that a second function may compile again: the ones it takes with other features, and what uses them.
# Each function is built with its own features alone, or the light ones would grow.
AGAIN_SHARE_MAX = 1 / 3
START_SECONDS_MAX = 10


class Sam:
    """The SAM command line, its artefacts below one folder."""

    def __init__(self, folder):
        self.folder = folder.resolve()
        self.target = self.folder / "target"
        tools = Path(sys.executable).parent
        self.environment = {
            **os.environ,
            "PATH": f"{tools}:{os.environ['PATH']}",
            "CARGO_TARGET_DIR": str(self.target),
            "SAM_CLI_TELEMETRY": "0",
            "AWS_DEFAULT_REGION": "eu-central-1",
        }

    def run(self, *arguments):
        ran = subprocess.run(
            ["sam", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS_MAX,
        )
        assert ran.returncode == 0, f"sam {' '.join(map(str, arguments))}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout

    def build(self, function):
        """One function, into a folder of its own."""
        self.run(
            "build",
            function,
            "--build-dir",
            self.folder / function,
            "--parameter-overrides",
            f"Architecture={ARCHITECTURE}",
        )

    def package(self, function):
        """What is uploaded for a function: its folder."""
        return self.folder / function / function

    def compiled(self):
        """Every crate that was compiled so far, one file each."""
        return {path.name for path in self.target.glob("**/release/deps/*.rlib")}


def main():
    sam = Sam(Path(sys.argv[1]))
    sam.folder.mkdir(parents=True, exist_ok=True)
    tests = [partial(the_template_is_valid, sam), partial(a_second_function_builds_no_second_tree, sam)]
    for function in LIGHT:
        for test in [
            a_package_is_small,
            a_bootstrap_runs_on_amazon_linux,
            a_bootstrap_survives_panics,
            a_bootstrap_names_what_it_is_missing,
        ]:
            tests.append(partial(test, sam, function))
    failed = sum(not passes(test) for test in tests)
    print(f"test result: {'FAILED' if failed else 'ok'}. {len(tests) - failed} passed; {failed} failed", flush=True)
    return 1 if failed else 0


def passes(test):
    name = " ".join([test.func.__name__, *test.args[1:]])
    began = time.monotonic()
    try:
        said = test() or ""
    except Exception:  # a failed test like any other; the next ones run all the same
        print(traceback.format_exc())
        said = None
    verdict = "FAILED" if said is None else f"ok ({time.monotonic() - began:.0f} s{', ' if said else ''}{said})"
    print(f"test {name} ... {verdict}", flush=True)
    return said is not None


def the_template_is_valid(sam):
    sam.run("validate", "--lint")


def a_second_function_builds_no_second_tree(sam):
    """Both are built here. What the second one takes as the first one does is not compiled again."""
    before = sam.compiled()
    first, *others = LIGHT
    sam.build(first)
    after_first = sam.compiled()
    for function in others:
        sam.build(function)
    added = sam.compiled() - after_first
    again = {crate_of(name) for name in added} & {crate_of(name) for name in after_first}
    known = {crate_of(name) for name in sam.compiled()}
    assert len(again) <= len(known) * AGAIN_SHARE_MAX, f"compiled twice: {sorted(again)}"
    return f"{len(after_first - before)} crates for the first, {len(added)} more, {len(again)} of them once more"


def crate_of(rlib):
    return rlib.removeprefix("lib").rsplit("-", 1)[0]


def a_package_is_small(sam, function):
    package = LIGHT[function]
    files = sorted(path.name for path in sam.package(function).iterdir())
    assert files == ["bootstrap"], files
    with zip_folder(str(sam.package(function)), zip_method=make_zip_with_lambda_permissions) as (path, _):
        size = os.path.getsize(path)
    assert size <= ZIPPED_BYTES_MAX[package], f"{size} bytes zipped, {ZIPPED_BYTES_MAX[package]} are allowed"
    return f"{size} bytes zipped"


def a_bootstrap_runs_on_amazon_linux(sam, function):
    """By the versions of symbols that it asks glibc for."""
    binary = (sam.package(function) / "bootstrap").read_bytes()
    asked = {tuple(map(int, found.split(b"."))) for found in re.findall(rb"GLIBC_([0-9]+\.[0-9]+)", binary)}
    assert asked, "it asks for no glibc at all"
    assert max(asked) <= GLIBC_MAX, f"it needs glibc {max(asked)}, Amazon Linux 2023 has {GLIBC_MAX}"
    return "glibc {}.{}".format(*max(asked))


def a_bootstrap_survives_panics(sam, function):
    """cargo-lambda has programs abort unless the profile says otherwise: a panic would be answered by Lambda, with a 500."""
    listed = subprocess.run(
        ["readelf", "-SW", sam.package(function) / "bootstrap"], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"\.gcc_except_table\s+\S+\s+\S+\s+\S+\s+([0-9a-f]+)", listed)
    size = int(found.group(1), 16) if found else 0
    assert size >= UNWIND_TABLE_BYTES_MIN, f"{size} bytes of unwind tables: it was built to abort on a panic"
    return f"{size} bytes of unwind tables"


def a_bootstrap_names_what_it_is_missing(sam, function):
    ran = subprocess.run(
        [sam.package(function) / "bootstrap"], env={}, capture_output=True, text=True, timeout=START_SECONDS_MAX
    )
    said = ran.stdout + ran.stderr
    assert ran.returncode != 0 and "PLIMSOLL_TABLE" in said and "PLIMSOLL_ROOT" in said, said


if __name__ == "__main__":
    sys.exit(main())

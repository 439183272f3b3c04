#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs clang-tidy 19 over our sources, in parallel, and only where something has changed.

Usage: lint.py [--fix] BUILD_DIR [FILE...]     BUILD_DIR holds compile_commands.json of a clang build

--fix corrects what a tool can correct without thought (missing and superfluous includes, `= default`,
`override`), and then formats these files; it needs a second run to see what is left.

A file that passed is remembered by a hash of what the verdict depends on: the tool, each .clang-tidy,
the command, and the contents of the source and of every header of ours that it includes. The marks lie
in $XDG_CACHE_HOME/ringo-lint (default ~/.cache/ringo-lint), hence survive `make clean`.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIDY = "clang-tidy-19"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "ringo-lint"
FOLDERS = ("runtime", "protocol", "client", "server", "examples", "bench", "tests")
FIXABLE = ("-*,misc-include-cleaner,readability-duplicate-include,modernize-use-override,"
           "modernize-use-nullptr,modernize-use-equals-default,modernize-use-equals-delete")
NOISE = re.compile(r"^\d+ warnings? (generated|treated)|^Suppressed \d+ warnings|^Use -header-filter")


def output_of(command, **options):
    run = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    return run.returncode, run.stdout + run.stderr


def compiler_command(entry):
    """The command without the compiler cache, the output file and the dependency file."""
    words = shlex.split(entry["command"])
    if pathlib.Path(words[0]).name == "ccache":
        words = words[1:]
    result, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in ("-o", "-MF", "-MT"):
            skip = True
        elif word not in ("-c", "-MD"):
            result.append(word)
    return result


def fingerprint(entry, base):
    command = compiler_command(entry)
    code, output = output_of([*command, "-MM"], cwd=entry["directory"])
    if code != 0:
        return None  # clang-tidy will say what is wrong
    digest = hashlib.sha256(base)
    digest.update(" ".join(command).replace(str(ROOT), ".").encode())
    for name in sorted(set(output.replace("\\\n", " ").split()[1:])):
        path = pathlib.Path(entry["directory"], name)
        digest.update(path.read_bytes())
    return digest.hexdigest()


def lint(entry, build, base):
    """(seconds, from the cache?, output; empty when the file is clean)."""
    start = time.monotonic()
    mark = fingerprint(entry, base)
    if mark and (CACHE / mark).exists():
        return time.monotonic() - start, True, ""
    code, output = output_of([TIDY, "--quiet", "-p", str(build), entry["file"]])
    lines = [line for line in output.splitlines() if line and not NOISE.match(line)]
    text = "\n".join(lines)
    if code == 0 and mark:
        (CACHE / mark).touch()
    if code != 0 and not text:
        text = f"{TIDY} ended with {code}"
    return time.monotonic() - start, False, text if code != 0 else ""


def fix(entry, build):
    """One file after the other: two at once would edit the same header."""
    output_of([TIDY, "--quiet", "--fix", f"--checks={FIXABLE}", "-p", str(build), entry["file"]])
    path = pathlib.Path(entry["file"])
    text = path.read_text()
    # clang-tidy spells each inserted header in quotes; ours are public headers.
    corrected = re.sub(r'^#include "(ringo/[^"]+)"$', r"#include <\1>", text, flags=re.M)
    if corrected != text:
        path.write_text(corrected)
    output_of(["clang-format-19", "-i", str(path)])


def is_ours(file):
    try:
        return pathlib.Path(file).relative_to(ROOT).parts[0] in FOLDERS
    except ValueError:
        return False


def main():
    arguments = sys.argv[1:]
    fixing = "--fix" in arguments
    if fixing:
        arguments.remove("--fix")
    if not arguments:
        sys.exit(__doc__)
    build = pathlib.Path(arguments[0]).resolve()
    code, output = output_of([TIDY, "--verify-config"], cwd=ROOT)
    if code != 0 or "No config errors detected" not in output:
        sys.exit(f".clang-tidy is not valid:\n{output}")

    entries = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if is_ours(entry["file"]):
            entries.setdefault(entry["file"], entry)
    wanted = [str(pathlib.Path(name).resolve()) for name in arguments[1:]]
    chosen = [e for f, e in sorted(entries.items()) if not wanted or f in wanted]
    if not chosen:
        sys.exit("nothing to lint: is the build folder right?")

    if fixing:
        for entry in chosen:
            print(f"  {os.path.relpath(entry['file'], ROOT)}", flush=True)
            fix(entry, build)
        return

    CACHE.mkdir(parents=True, exist_ok=True)
    _, version = output_of([TIDY, "--version"])
    configurations = [ROOT / ".clang-tidy"]
    for folder in FOLDERS:
        configurations += sorted((ROOT / folder).rglob(".clang-tidy"))
    base = (version + "".join(path.read_text() for path in configurations)).encode()
    failed = cached = 0
    seen = set()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = pool.map(lambda e: (e, lint(e, build, base)), chosen)
        for entry, (seconds, from_cache, text) in jobs:
            cached += from_cache
            name = os.path.relpath(entry["file"], ROOT)
            if not from_cache:
                print(f"  {seconds:5.1f} s  {name}", flush=True)
            if text:
                failed += 1
                # A finding in a header comes once for each file that includes it.
                fresh = [line for line in text.splitlines() if line not in seen]
                seen.update(line for line in fresh if "warning:" in line or "error:" in line)
                print("\n".join(fresh), flush=True)
    print(f"{len(chosen)} files: {failed} with findings, {cached} unchanged since they passed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

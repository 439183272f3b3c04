#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints the tests that failed in ctest's last run, and the end of what each of them printed.

  scripts/failed_tests.py BUILD_FOLDER [LINES]

For the end of a long log, where ctest's own report of a step stands far above.
"""
import pathlib
import re
import sys

RULE = re.compile(r"^-{10,}$")
TEST = re.compile(r"^\d+/\d+ Testing: (.*)$")


def outputs(log):
    """The lines of LastTest.log by name of test."""
    name, lines = None, []
    for line in log.read_text(errors="replace").splitlines():
        match = TEST.match(line)
        if match:
            if name is not None:
                yield name, lines
            name, lines = match.group(1), []
        elif not RULE.match(line):
            lines.append(line)
    if name is not None:
        yield name, lines


def main():
    folder = pathlib.Path(sys.argv[1]) / "Testing" / "Temporary"
    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    failed_log, log = folder / "LastTestsFailed.log", folder / "LastTest.log"
    if not failed_log.exists() or not log.exists():
        return
    failed = {line.split(":", 1)[1] for line in failed_log.read_text().splitlines() if ":" in line}
    for name, lines in outputs(log):
        if name in failed:
            print(f"---- failed in {sys.argv[1]}: {name}")
            print("\n".join(lines[-wanted:]))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that the nets for a guard over a co_await catch what they are said to catch, and no more.

Usage: check_guard_nets.py BUILD_DIR     (BUILD_DIR holds the generated config.h)

tests/guard_nets/shapes.cc says at each co_await which nets report it. clang's analysis and the two
checks of clang-tidy are run over it with the flags and the .clang-tidy that our own code is checked
with: if they no longer see a bad example, they see nothing in our code either, and the lint step
fails. Then the row of each shape in docs/guide/locks.md must say the same.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHAPES = ROOT / "tests/guard_nets/shapes.cc"
GUIDE = ROOT / "docs/guide/locks.md"
CHECKS = {"hostile": "misc-coroutine-hostile-raii",
          "with-lock": "cppcoreguidelines-no-suspend-with-lock"}
NETS = ("analysis", *CHECKS)


def output_of(command):
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return run.stdout + run.stderr


def shapes(lines):
    """(name, first line, line of the co_await, expected nets)"""
    name, first = None, 0
    for number, line in enumerate(lines, 1):
        if begin := re.match(r"ringo::Task<void> (\w+)\(\) \{", line):
            name, first = begin[1], number
        elif marked := re.search(r"co_await .*// nets:(.*)$", line):
            yield name, first, number, set(marked[1].split())


def found_lines(text, pattern):
    return {int(number) for number in
            re.findall(rf"shapes\.cc:(\d+):\d+: (?:warning|error): {pattern}", text)}


def rows_of_guide():
    """{shape: nets} of the table after `<!-- nets -->`: the columns are in the order of NETS."""
    rows, inside = {}, False
    for line in GUIDE.read_text().split("\n"):
        if line.strip() == "<!-- nets -->":
            inside = True
        elif inside and line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if name := re.search(r"`(\w+)`$", cells[0]):  # else the head of the table
                rows[name[1]] = {net for net, cell in zip(NETS, cells[1:]) if cell == "yes"}
        elif inside and line.strip():
            inside = False
    return rows


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    flags = ["-std=c++23", f"-I{pathlib.Path(sys.argv[1]).resolve() / 'include'}",
             f"-I{ROOT / 'runtime/include'}"]
    analysis = output_of(["clang++-19", *flags, "-fsyntax-only", "-Wthread-safety",
                          "-Wthread-safety-beta", str(SHAPES)])
    if " error: " in analysis:
        sys.exit(f"{analysis}\nshapes.cc does not compile")
    found = {"analysis": found_lines(analysis, r"cannot call function .*'no_suspend'")}
    for net, check in CHECKS.items():
        text = output_of(["clang-tidy-19", "--quiet", f"--checks=-*,{check}", str(SHAPES), "--",
                          *flags])
        found[net] = found_lines(text, rf".*\[{check}")
    rows = rows_of_guide()
    problems = 0
    names = set()
    for name, first, last, expected in shapes(SHAPES.read_text().splitlines()):
        names.add(name)
        seen = {net for net in NETS if any(first < line <= last for line in found[net])}
        if seen != expected:
            print(f"tests/guard_nets/shapes.cc:{last}: {name} is marked `{' '.join(sorted(expected))}`"
                  f", reported by `{' '.join(sorted(seen))}`")
            problems += 1
        if rows.get(name) != expected:
            print(f"docs/guide/locks.md: the row of {name} does not say "
                  f"`{' '.join(sorted(expected))}`")
            problems += 1
    for name in rows.keys() - names:
        print(f"docs/guide/locks.md: there is no shape {name} in tests/guard_nets/shapes.cc")
        problems += 1
    print(f"{len(names)} shapes, {problems} problems")
    sys.exit(1 if problems or not names else 0)


if __name__ == "__main__":
    main()

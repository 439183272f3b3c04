#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""House rules that neither the compiler, nor clang-format, nor clang-tidy knows.

A line that breaks a rule for a good reason says so: `// allow(<rule>): <reason>` on the line itself
or on the line before.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("runtime", "protocol", "client", "server", "examples", "bench", "tests")
MAX_LINES = 800

# rule -> (pattern, folders it holds in, folders it does not hold in, what to do instead)
RULES = {
    "std-mutex": (
        r"\bstd::(recursive_|timed_|shared_)?mutex\b",
        ("runtime", "server"), (),
        "invisible to the thread-safety analysis: use the annotated lock"),
    "wall-clock-sleep": (
        r"\b(std::this_thread::sleep_(for|until)|(::|\b)usleep|(::|\b)nanosleep)\s*\(",
        FOLDERS, ("bench",),
        "nothing may depend on how long a thread sleeps"),
    "clock": (
        r"\bstd::chrono::(steady_clock|system_clock|high_resolution_clock)::now\b",
        ("runtime", "server", "client"), ("runtime/src/ring", "runtime/src/base", "client/src/main"),
        "time enters through the driver, else the simulation cannot replay"),
    "randomness": (
        r"\b(std::random_device|std::rand\b|(?<!\w)s?rand\(|getrandom\()",
        ("runtime", "server", "client"), ("runtime/src/ring", "runtime/src/base"),
        "randomness enters through the driver, else the simulation cannot replay"),
    "todo": (
        r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))",
        FOLDERS, (),
        "name the issue: TODO(#12)"),
}


def inside(path, folders):
    return any(path == folder or path.startswith(folder + "/") for folder in folders)


def allowed(lines, index, rule):
    mark = re.compile(rf"// allow\({re.escape(rule)}\): \S")
    return bool(mark.search(lines[index]) or (index > 0 and mark.search(lines[index - 1])))


def problems_of(path, text):
    lines = text.split("\n")
    if lines[0] != "// SPDX-License-Identifier: MIT":
        yield 1, "license", "the first line must be `// SPDX-License-Identifier: MIT`"
    if not any(line.startswith("//") and len(line) > 20 for line in lines[1:4]):
        yield 2, "purpose", "after the licence some lines must say what the file is for"
    if path.endswith(".h") and not re.search(r"^#pragma once$", text, re.M):
        yield 1, "pragma-once", "a header needs `#pragma once`"
    if len(lines) > MAX_LINES:
        yield len(lines), "length", f"more than {MAX_LINES} lines: look for the second idea in it"
    for rule, (pattern, holds, exempt, advice) in RULES.items():
        if not inside(path, holds) or inside(path, exempt):
            continue
        for index, line in enumerate(lines):
            code = line if rule == "todo" else line.split("//", 1)[0]
            if re.search(pattern, code) and not allowed(lines, index, rule):
                yield index + 1, rule, advice


def main():
    found = 0
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix not in (".h", ".cc"):
                continue
            path = file.relative_to(ROOT).as_posix()
            for line, rule, advice in problems_of(path, file.read_text(errors="replace")):
                print(f"{path}:{line}: [{rule}] {advice}")
                found += 1
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()

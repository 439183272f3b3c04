#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that a source file does not compile, and for the right reason.

Usage: check_compile_fail.py FILE COMPILER [FLAGS...]

Directives in FILE, each at the beginning of a line:
  // expect-error: TEXT   the compiler's messages must contain TEXT (one or more; all of them);
                          [[NAME]] in it is the number of the line that ends with `// mark: NAME`
  // flags: FLAGS         more compiler flags, e.g. -Wthread-safety -Werror
  // compiler: clang      read by CMake: registered only in clang builds
The file is compiled with -DRINGO_COMPILE_FAIL. If it mentions that macro, it is first compiled
without it, and that must succeed: then the offending lines, and nothing else, are the error.
"""
import pathlib
import re
import shlex
import subprocess
import sys


def directives(text, name):
    return [m.strip() for m in re.findall(rf"^// {name}: (.*)$", text, re.M)]


def with_line_numbers(message, text):
    for number, line in enumerate(text.splitlines(), 1):
        if mark := re.search(r"// mark: (\w+)$", line):
            message = message.replace(f"[[{mark[1]}]]", str(number))
    return message


def compile_file(command):
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout + run.stderr


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    path = pathlib.Path(sys.argv[1])
    text = path.read_text()
    expected = directives(text, "expect-error")
    if not expected:
        sys.exit(f"{path}: no line `// expect-error: TEXT`")
    flags = [f for line in directives(text, "flags") for f in shlex.split(line)]
    command = [*sys.argv[2:], *flags, "-fsyntax-only", str(path)]

    body = re.sub(r"^//.*$", "", text, flags=re.M)
    if "RINGO_COMPILE_FAIL" in body:
        code, output = compile_file(command)
        if code != 0:
            sys.exit(f"{output}\n{path}: does not compile without RINGO_COMPILE_FAIL either")

    code, output = compile_file([*command, "-DRINGO_COMPILE_FAIL"])
    print(output)
    if code == 0:
        sys.exit(f"{path}: compiles, and must not")
    if code < 0 or "internal compiler error" in output:
        sys.exit(f"{path}: the compiler crashed")
    for message in (with_line_numbers(message, text) for message in expected):
        if message not in output:
            sys.exit(f"{path}: is refused, but not with the message: {message}")


if __name__ == "__main__":
    main()

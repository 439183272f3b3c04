#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the documents to the code that they speak of, so that they cannot rot in silence.

Checked in README.md, CONTRIBUTING.md, tests/README.md and docs/:
  quote   the code block after a line `<!-- from PATH -->` occurs in that file, line by line
  limit   in a table after a line `<!-- limits -->` the last cell names a file, and each other piece
          of `code` in the row occurs in it
  path    `runtime/src/...` in backticks, and the target of each link, exist
  make    each `make target` in a block of commands is a target of the Makefile
  width   no line of prose is longer than the code may be (tables, links and figures may)
and in the headers of the synchronisation primitives, runtime/include/ringo/sync/:
  example the header begins with one, and its lines occur in this order in the test HeaderExample of
          tests/sync/<name>_test.cc (*_error.h belong to another header and need none)
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "tests/README.md", "docs/**/*.md")
FOLDERS = ("runtime", "protocol", "client", "server", "examples", "bench", "tests", "scripts", "docs",
           "cmake")
MAX_WIDTH = 110

QUOTE = re.compile(r"^<!-- from (\S+) -->$")
PATH = re.compile(rf"`((?:{'|'.join(FOLDERS)})/[\w./+-]*)`")
CODE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


def blocks_of(lines):
    """(number of the first line, language, its lines, the line above the fence)."""
    start = None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if start is None:
            start = number
        else:
            above = lines[start - 1] if start else ""
            yield start + 1, lines[start][3:].strip(), lines[start + 1:number], above
            start = None
    if start is not None:
        yield start + 1, "unclosed", [], ""


def contains(text_lines, quoted):
    """Whether the lines follow one another in the text. Blanks at the end do not count."""
    wanted = [line.rstrip() for line in quoted]
    while wanted and not wanted[-1]:
        wanted.pop()
    have = [line.rstrip() for line in text_lines]
    return bool(wanted) and any(
        have[at:at + len(wanted)] == wanted for at in range(len(have) - len(wanted) + 1))


def check_blocks(lines, targets):
    quotes = sum(bool(QUOTE.match(line)) for line in lines)
    for number, language, block, above in blocks_of(lines):
        if language == "unclosed":
            yield number, "quote", "this code block has no end"
            continue
        if quote := QUOTE.match(above):
            quotes -= 1
            source = ROOT / quote[1]
            if not source.is_file():
                yield number, "quote", f"there is no file {quote[1]}"
            elif not contains(source.read_text().split("\n"), block):
                yield number, "quote", f"these lines are not in {quote[1]} (any more)"
        if language in ("", "sh"):
            for line in block:
                command = re.match(r"\s*(?:\w+=\S+ )*make ([a-z][a-z-]*)\b", line)
                if command and command[1] not in targets:
                    yield number, "make", f"the Makefile has no target {command[1]}"
    if quotes:
        yield 1, "quote", "a `<!-- from … -->` has no code block right after it"


def check_limits(lines):
    is_inside = False
    for number, line in enumerate(lines, 1):
        if line.strip() == "<!-- limits -->":
            is_inside = True
        elif is_inside and line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            path = CODE.fullmatch(cells[-1])
            if path is None:
                continue  # the head of the table
            source = ROOT / path[1]
            text = source.read_text() if source.is_file() else None
            if text is None:
                yield number, "limit", f"there is no file {path[1]}"
                continue
            for code in CODE.findall("|".join(cells[:-1])):
                if code not in text:
                    yield number, "limit", f"`{code}` is not in {path[1]} (any more)"
        elif is_inside and line.strip():
            is_inside = False


def check_prose(document, lines):
    is_code = False
    for number, line in enumerate(lines, 1):
        if line.startswith("```"):
            is_code = not is_code
        if is_code:
            continue
        for path in PATH.findall(line):
            if not (ROOT / path).exists():
                yield number, "path", f"there is no {path}"
        for target in LINK.findall(line):
            if "://" not in target and not (document.parent / target).exists():
                yield number, "path", f"the link leads nowhere: {target}"
        if len(line) > MAX_WIDTH and "|" not in line and "](" not in line:
            yield number, "width", f"{len(line)} characters; at most {MAX_WIDTH}"


def example_of(header):
    """The indented lines of the comment at the top."""
    for line in header.read_text().split("\n"):
        if not line.startswith("//"):
            return
        if line.startswith("//   ") and line[5:].strip():
            yield line[5:].split("  //")[0].strip()


def check_example(header):
    example = list(example_of(header))
    if not example:
        yield 1, "example", "the comment at the top has none"
        return
    test = ROOT / "tests" / "sync" / f"{header.stem}_test.cc"
    lines = test.read_text().split("\n") if test.is_file() else []
    start = next((at for at, line in enumerate(lines) if "HeaderExample" in line), None)
    if start is None:
        yield 1, "example", f"there is no test HeaderExample in {test.relative_to(ROOT)}"
        return
    rest = iter(line.split("  //")[0].strip() for line in lines[start:])
    for line in example:
        if line not in rest:  # goes on behind the line before
            yield 1, "example", f"not in HeaderExample of {test.relative_to(ROOT)}: {line}"
            return


def main():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.M))
    found = 0
    for pattern in DOCUMENTS:
        for document in sorted(ROOT.glob(pattern)):
            lines = document.read_text().split("\n")
            problems = [*check_blocks(lines, targets), *check_limits(lines),
                        *check_prose(document, lines)]
            for line, rule, problem in sorted(problems):
                print(f"{document.relative_to(ROOT)}:{line}: [{rule}] {problem}")
            found += len(problems)
    for header in sorted((ROOT / "runtime/include/ringo/sync").glob("*.h")):
        if not header.stem.endswith("_error"):
            for line, rule, problem in check_example(header):
                print(f"{header.relative_to(ROOT)}:{line}: [{rule}] {problem}")
                found += 1
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()

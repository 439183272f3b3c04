#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that each header compiles alone, so that a user may include them in any order.

Usage: check_headers.py BUILD_DIR [COMPILER]     (BUILD_DIR holds the generated config.h)
"""
import concurrent.futures
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMPONENTS = ("runtime", "protocol", "client", "server")


def check(header, compiler, build):
    includes = [f"-I{build}/include"]
    includes += [f"-I{ROOT / c / 'include'}" for c in COMPONENTS]
    component = header.relative_to(ROOT).parts[0]
    includes += [f"-I{ROOT / c / 'src'}" for c in dict.fromkeys((component, "runtime"))
                 if c in COMPONENTS]
    includes.append(f"-I{ROOT / 'tests'}")
    # As an include of an otherwise empty file: `#pragma once in main file` is no complaint then.
    # Models are built as tests/model/CMakeLists.txt does it: relacy's headers are full of warnings.
    is_model = "model" in header.relative_to(ROOT).parts
    strictness = ["-w", "-DRINGO_MODEL"] if is_model else [
        "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"]
    command = [compiler, "-std=c++23", *strictness, *includes, "-fsyntax-only", "-x", "c++",
               "-include", str(header), "/dev/null"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout + run.stderr


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    build = pathlib.Path(sys.argv[1]).resolve()
    compiler = sys.argv[2] if len(sys.argv) > 2 else "g++"
    headers = [h for c in (*COMPONENTS, "tests") for h in sorted((ROOT / c).rglob("*.h"))]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda h: (h, *check(h, compiler, build)), headers)
        for header, code, output in results:
            if code != 0:
                print(f"{header.relative_to(ROOT)} does not compile alone:\n{output}")
                failed += 1
    print(f"{len(headers)} headers, {failed} do not compile alone")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

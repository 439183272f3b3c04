#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fails when a file includes a header that its layer must not see.

MAY_SEE is the architecture as data, lowest layer first: a file belongs to the layer with the
longest matching folder, and may include headers of that layer and of the layers listed for it.
Headers of the system and of other libraries are free, except those in RESERVED. Public headers are
included as <ringo/...>, internal ones in quotes, relative to the component's src/ folder.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

API = "runtime/include/ringo"
DETAIL = "runtime/include/ringo/detail"
BYTES = "runtime/include/ringo/bytes.h"
CONFIG = "runtime/include/ringo/config.h"
ANY = "*"

MAY_SEE = {
    DETAIL: [API, BYTES],
    API: [DETAIL, BYTES],
    BYTES: [API, DETAIL],
    CONFIG: [],
    "runtime/src/base": [API, BYTES, DETAIL],
    "runtime/src/ring": [API, BYTES, DETAIL, "runtime/src/base"],
    "runtime/src/time": [API, BYTES, DETAIL, "runtime/src/base"],
    "runtime/src/scheduler": [API, BYTES, DETAIL, "runtime/src/base", "runtime/src/ring",
                              "runtime/src/time"],
    "runtime/src": [API, BYTES, DETAIL, "runtime/src/base", "runtime/src/ring", "runtime/src/time",
                    "runtime/src/scheduler"],
    "protocol": [BYTES],
    "client": [API, BYTES, "protocol"],
    "server": [API, BYTES, "protocol"],
    "examples": [API, BYTES, "protocol", "client"],
    "bench": [ANY],
    "tests": [ANY],
}
# The version and the build's settings may be read everywhere.
EVERYWHERE = [CONFIG]

# Headers of other libraries that only some layers may include.
RESERVED = {
    "liburing": ["runtime/src/ring", "bench", "tests"],
    "relacy/": [DETAIL, "tests"],
    "CLI/": ["client/src/main", "server", "bench"],
}

# Where the files behind <ringo/...> lie; the longest prefix wins.
PUBLIC_ROOTS = {
    "ringo/protocol/": "protocol/include/ringo/protocol/",
    "ringo/client/": "client/include/ringo/client/",
    "ringo/server/": "server/include/ringo/server/",
    "ringo/": "runtime/include/ringo/",
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+([<"])([^>"]+)[>"]', re.M)


def layer_of(path):
    matches = [layer for layer in MAY_SEE if path == layer or path.startswith(layer + "/")]
    return max(matches, key=len, default=None)


def locate(includer, quote, name):
    """The path inside the project of an included header, or None for a foreign one."""
    for prefix, folder in PUBLIC_ROOTS.items():
        if name.startswith(prefix):
            return folder + name.removeprefix(prefix)
    if quote == "<":
        return None
    bases = [includer.parent]
    bases += [parent for parent in includer.parents if parent.name == "src"]
    bases += [ROOT / part / "src" for part in ("runtime", "protocol", "client", "server")]
    bases.append(ROOT / "tests")
    for base in bases:
        if (base / name).exists():
            return (base / name).resolve().relative_to(ROOT).as_posix()
    return None


def is_reserved(path, name):
    for prefix, layers in RESERVED.items():
        if name.startswith(prefix):
            return not any(path.startswith(layer) for layer in layers)
    return False


def problems_of(includer):
    path = includer.relative_to(ROOT).as_posix()
    mine = layer_of(path)
    if mine is None:
        return
    allowed = [mine, *MAY_SEE[mine], *EVERYWHERE]
    for match in INCLUDE.finditer(includer.read_text(errors="replace")):
        quote, name = match.groups()
        line = includer.read_text(errors="replace").count("\n", 0, match.start()) + 1
        if is_reserved(path, name):
            yield f"{path}:{line}: <{name}> is reserved for other layers"
            continue
        target = locate(includer, quote, name)
        if target is None:
            if quote == '"':
                yield f'{path}:{line}: "{name}" is not found from a src/ folder'
            continue
        if ANY in allowed or layer_of(target) in allowed:
            continue
        yield f"{path}:{line}: the layer {mine} must not include {target}"


def main():
    found = 0
    for top in ("runtime", "protocol", "client", "server", "examples", "bench", "tests"):
        for includer in sorted((ROOT / top).rglob("*")):
            if includer.suffix in (".h", ".cc"):
                for problem in problems_of(includer):
                    print(problem)
                    found += 1
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()

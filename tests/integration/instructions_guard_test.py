#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""scripts/check_instructions.py, on figures that are made up: more instructions than recorded fail,
fewer are to be recorded, a path that disappears is noticed, and where the kernel forbids counting it
says so."""
import contextlib
import importlib.util
import io
import json
import pathlib
import subprocess
import sys
import tempfile

SCRIPT = pathlib.Path(__file__).resolve().parent.parent.parent / "scripts" / "check_instructions.py"
RECORDED = {"runtime/yield_many": 200.0, "server/get_p16": 800.0}


def run(measured):
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for name, figures in (("baseline", RECORDED), ("measured", measured)):
            files.append(pathlib.Path(folder) / f"{name}.json")
            files[-1].write_text(json.dumps({"compiler": "c++", "instructions": figures}))
        done = subprocess.run([sys.executable, SCRIPT, "--baseline", files[0], "--measured", files[1]],
                              capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def expect(measured, code, *texts):
    got, output = run(measured)
    assert got == code, (measured, got, output)
    for text in texts:
        assert text in output, (measured, text, output)


expect(RECORDED, 0)
expect({**RECORDED, "server/get_p16": 879.9}, 0)
expect({**RECORDED, "server/get_p16": 880.1}, 1, "Slower by more than 10%", "server/get_p16")
expect({**RECORDED, "server/get_p16": 720.1}, 0)
expect({**RECORDED, "server/get_p16": 719.9}, 0, "Record it", "server/get_p16")
expect({"server/get_p16": 800.0}, 1, "not measured", "runtime/yield_many")
expect({**RECORDED, "server/new": 1.0}, 1, "not recorded", "server/new")
assert "Record it" not in run(RECORDED)[1]

spec = importlib.util.spec_from_file_location("check_instructions", SCRIPT)
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)
script.counters.why_forbidden = lambda: "Permission denied"
sys.argv = [str(SCRIPT)]
with contextlib.redirect_stdout(io.StringIO()) as said:
    assert script.main() == 77
assert "skipped: they cannot be counted here (Permission denied" in said.getvalue(), said.getvalue()
print("ok")

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The final table of the benchmarks, on figures that are made up: a goal is met at its bound and missed
past it, ratios are to the peer of the same run, far samples count only where there are no near ones."""
import json
import pathlib
import sys

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "bench"))

from lib.figures import Row, Samples, judge, table  # noqa: E402


def samples(*near, far=()):
    made = Samples()
    for value in near:
        made.add(value)
    for value in far:
        made.add(value, is_far=True)
    return made


def row(ours, **peers):
    return Row("x/y", "ns", {"ringo": samples(ours), **{name: samples(value)
                                                         for name, value in peers.items()}})


assert judge(row(40), {"at_most": 40}).is_met is True
assert judge(row(40.1), {"at_most": 40}).is_met is False
assert judge(row(1.7), {"at_least": 1.7}).is_met is True
assert judge(row(1.69), {"at_least": 1.7}).is_met is False
assert judge(row(40), None).is_met is None

ratio = {"at_most_ratio": 0.8, "to": "valkey", "otherwise": 2.05}
assert judge(row(2.4, valkey=3.0), ratio).is_met is True
assert judge(row(2.41, valkey=3.0), ratio).is_met is False
assert judge(row(2.05, redis=3.0), ratio).is_met is True, "without the peer the absolute bound holds"
assert judge(row(2.06, redis=3.0), ratio).is_met is False
assert judge(row(1.0), {"at_most_ratio": 1.0, "to": "tokio"}).is_met is None

assert samples(1, 3, 2, far=(900,)).median == 2
assert not samples(1, far=(900,)).is_far
assert samples(far=(900, 800, 1000)).median == 900
assert samples(far=(900,)).is_far

assert row(2.0, tokio=6.0).gain("tokio") == 3.0
more = Row("x/rate", "1/s", {"ringo": samples(6.0), "tokio": samples(2.0)}, more_is_better=True)
assert more.gain("tokio") == 3.0

lines = table([row(41.0, null=1.0, tokio=82.0)], {"x/y": {"at_most": 40}})
assert "tokio" in lines[2] and "2.00x" in lines[2] and "MISSED" in lines[2], lines[2]
assert "0 met, 1 missed" in lines[3] and "x/y" in lines[4], lines

goals = json.loads((ROOT / "bench" / "goals.json").read_text(encoding="utf-8"))["goals"]
for key, goal in goals.items():
    assert set(goal) <= {"at_most", "at_least", "at_most_ratio", "to", "otherwise"}, key
    assert ("to" in goal) == ("at_most_ratio" in goal), key
print("ok")

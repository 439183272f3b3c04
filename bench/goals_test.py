#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""When a figure meets its goal: in its unit, as a ratio, and beside a peer of the same version."""
import json
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from lib.figures import Goals, Row, Samples  # noqa: E402

AIMS = {
    "goals": {
        "runtime/switch/1": {"at_most": 40},
        "echo/rate": {"at_least": 780},
        "server/get": {"at_most_ratio": 0.8, "to": "valkey", "otherwise": 2},
    },
    "beside": {
        "about": "",
        "tokio": {"version": "1.53", "figures": {"runtime/switch/1": 200}},
        "uring": {"version": "", "figures": {"echo/rate": 1000}},
    },
}


def judge(key, ours, peers=None, versions=None, more_is_better=False):
    samples = {}
    for name, value in {"ringo": ours, **(peers or {})}.items():
        samples[name] = Samples()
        samples[name].add(value)
    return Goals(AIMS, versions or {}).judge(Row(key, "ns", samples, more_is_better))


class Judge(unittest.TestCase):
    def test_a_row_without_a_goal_has_no_verdict(self):
        self.assertIsNone(judge("runtime/other/1", 1).is_met)

    def test_at_most_and_at_least_include_the_bound(self):
        self.assertTrue(judge("runtime/switch/1", 40).is_met)
        self.assertFalse(judge("runtime/switch/1", 40.1).is_met)
        self.assertTrue(judge("echo/rate", 780, more_is_better=True).is_met)
        self.assertFalse(judge("echo/rate", 779, more_is_better=True).is_met)

    def test_a_ratio_is_that_of_this_run_and_otherwise_holds_without_the_peer(self):
        self.assertTrue(judge("server/get", 2.4, {"valkey": 3}).is_met)
        self.assertFalse(judge("server/get", 2.5, {"valkey": 3}).is_met)
        self.assertTrue(judge("server/get", 2).is_met)
        self.assertFalse(judge("server/get", 2.1).is_met)

    def test_a_slower_hour_counts_for_both_if_the_version_is_the_same(self):
        version = {"tokio": "1.53.1"}
        met = judge("runtime/switch/1", 50, {"tokio": 250}, version)
        self.assertTrue(met.is_met and met.by_ratio)
        missed = judge("runtime/switch/1", 51, {"tokio": 250}, version)
        self.assertFalse(missed.is_met)
        self.assertAlmostEqual(missed.share, 51 / 50)
        self.assertFalse(judge("runtime/switch/1", 50, {"tokio": 250}, {"tokio": "1.24.2"}).is_met)

    def test_a_faster_hour_takes_nothing_from_what_is_met(self):
        met = judge("runtime/switch/1", 40, {"tokio": 100}, {"tokio": "1.53.1"})
        self.assertTrue(met.is_met and not met.by_ratio)
        self.assertAlmostEqual(judge("runtime/switch/1", 44, {"tokio": 100},
                                     {"tokio": "1.53.1"}).share, 1.1)

    def test_more_is_better_beside_a_peer_as_well(self):
        self.assertTrue(judge("echo/rate", 390, {"uring": 500}, more_is_better=True).is_met)
        self.assertFalse(judge("echo/rate", 389, {"uring": 500}, more_is_better=True).is_met)

    def test_what_stands_beside_the_goals_belongs_to_one(self):
        aims = json.loads((HERE / "goals.json").read_text(encoding="utf-8"))
        for name, peer in aims["beside"].items():
            if name == "about":
                continue
            for key in peer["figures"]:
                self.assertIn(key, aims["goals"], name)
                self.assertTrue({"at_most", "at_least"} & aims["goals"][key].keys(), key)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The final table of the benchmarks, on figures that are made up: a goal is met at its bound and missed
past it, ratios are to the peer of the same run, far samples count only where there are no near ones, and
a goal in ns is met as a ratio too, beside the version that it was set beside."""
import json
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "bench"))

from lib.figures import Goals, Row, Samples, table  # noqa: E402

AIMS = {
    "goals": {
        "x/time": {"at_most": 40},
        "x/rate": {"at_least": 780},
        "x/share": {"at_most_ratio": 0.8, "to": "valkey", "otherwise": 2.05},
        "x/only": {"at_most_ratio": 1.0, "to": "tokio"},
    },
    "beside": {
        "about": "",
        "tokio": {"version": "1.53", "figures": {"x/time": 200}},
        "uring": {"version": "", "figures": {"x/rate": 1000}},
    },
}
THEN = {"tokio": "1.53.1"}


def samples(*near, far=()):
    made = Samples()
    for value in near:
        made.add(value)
    for value in far:
        made.add(value, is_far=True)
    return made


def row(key, ours, **peers):
    return Row(key, "ns", {"ringo": samples(ours),
                           **{name: samples(value) for name, value in peers.items()}},
               more_is_better=key == "x/rate")


def judge(key, ours, versions=None, **peers):
    return Goals(AIMS, versions or {}).judge(row(key, ours, **peers))


class Judge(unittest.TestCase):
    def test_a_row_without_a_goal_has_no_verdict(self):
        self.assertIsNone(judge("x/other", 40).is_met)

    def test_a_bound_is_part_of_the_goal(self):
        self.assertIs(judge("x/time", 40).is_met, True)
        self.assertIs(judge("x/time", 40.1).is_met, False)
        self.assertIs(judge("x/rate", 780).is_met, True)
        self.assertIs(judge("x/rate", 779).is_met, False)

    def test_a_ratio_is_that_of_this_run(self):
        self.assertIs(judge("x/share", 2.4, valkey=3.0).is_met, True)
        self.assertIs(judge("x/share", 2.41, valkey=3.0).is_met, False)

    def test_without_the_peer_the_absolute_bound_holds(self):
        self.assertIs(judge("x/share", 2.05, redis=3.0).is_met, True)
        self.assertIs(judge("x/share", 2.06, redis=3.0).is_met, False)
        self.assertIsNone(judge("x/only", 1.0).is_met)

    def test_a_slow_hour_counts_for_both_beside_the_same_version(self):
        met = judge("x/time", 50, THEN, tokio=250)
        self.assertTrue(met.is_met and met.by_ratio)
        missed = judge("x/time", 51, THEN, tokio=250)
        self.assertIs(missed.is_met, False)
        self.assertAlmostEqual(missed.share, 51 / 50)
        self.assertIs(judge("x/time", 50, {"tokio": "1.24.2"}, tokio=250).is_met, False)
        self.assertIs(judge("x/time", 50, THEN).is_met, False, "it does not take part")

    def test_a_fast_hour_takes_nothing_from_what_is_met(self):
        met = judge("x/time", 40, THEN, tokio=100)
        self.assertTrue(met.is_met and not met.by_ratio)
        self.assertAlmostEqual(judge("x/time", 44, THEN, tokio=100).share, 1.1)

    def test_more_is_better_beside_a_peer_as_well(self):
        self.assertIs(judge("x/rate", 390, uring=500).is_met, True)
        self.assertIs(judge("x/rate", 389, uring=500).is_met, False)


class Figures(unittest.TestCase):
    def test_far_samples_count_only_where_there_are_no_near_ones(self):
        self.assertEqual(samples(1, 3, 2, far=(900,)).median, 2)
        self.assertFalse(samples(1, far=(900,)).is_far)
        self.assertEqual(samples(far=(900, 800, 1000)).median, 900)
        self.assertTrue(samples(far=(900,)).is_far)

    def test_a_gain_is_how_many_times_better(self):
        self.assertEqual(row("x/time", 2.0, tokio=6.0).gain("tokio"), 3.0)
        self.assertEqual(row("x/rate", 6.0, tokio=2.0).gain("tokio"), 3.0)

    def test_the_table_names_what_is_missed_and_how_the_rest_is_met(self):
        rows = [row("x/time", 41.0, null=1.0, tokio=82.0)]
        lines = table(rows, Goals(AIMS, {}))
        self.assertTrue("tokio" in lines[2] and "2.00x" in lines[2] and "MISSED" in lines[2], lines)
        self.assertIn("0 met, 0 of them as a ratio to a peer of this run, 1 missed", lines[3])
        self.assertIn("x/time", lines[4])
        lines = table([row("x/time", 50.0, tokio=250.0)], Goals(AIMS, THEN))
        self.assertIn("met, as a ratio", lines[2])
        self.assertIn("1 met, 1 of them as a ratio", lines[3])


class File(unittest.TestCase):
    def setUp(self):
        self.aims = json.loads((ROOT / "bench" / "goals.json").read_text(encoding="utf-8"))

    def test_goals_have_known_forms(self):
        for key, goal in self.aims["goals"].items():
            self.assertLessEqual(set(goal), {"at_most", "at_least", "at_most_ratio", "to", "otherwise"})
            self.assertEqual("to" in goal, "at_most_ratio" in goal, key)

    def test_what_stands_beside_the_goals_belongs_to_one(self):
        for name, peer in self.aims["beside"].items():
            for key in peer["figures"] if name != "about" else ():
                self.assertTrue({"at_most", "at_least"} & self.aims["goals"][key].keys(), key)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: MIT
"""Samples, the rows of the final table, and goals.

A row's `key` is what bench/goals.json calls it, "section/name" or "section/name/variant". A goal is
one of
    {"at_most": 40}                                       in the row's unit
    {"at_least": 1.7}
    {"at_most_ratio": 0.8, "to": "valkey", "otherwise": 2.05}
where a ratio is ours / peer of the same run, and `otherwise` holds (as at_most) where that peer is
missing. The first two are met, too, by what is as far from a peer of "beside" in the same run as the
goal was from it where it was set; see there.
"""
import dataclasses
import statistics


class Samples:
    """Values of one figure by one program. Those taken while the processors were far count only
    where there are no others."""

    def __init__(self):
        self.near = []
        self.far = []
        self.notes = {}  # name: [values], such as instructions or how the polls were shared

    def add(self, value, is_far=False):
        (self.far if is_far else self.near).append(value)

    def note(self, name, value):
        self.notes.setdefault(name, []).append(value)

    @property
    def values(self):
        return self.near or self.far

    @property
    def is_far(self):
        return not self.near and bool(self.far)

    @property
    def median(self):
        return statistics.median(self.values)

    def as_json(self):
        return {"median": self.median, "least": min(self.values), "most": max(self.values),
                "samples": self.near, "far": self.far,
                **{name: statistics.median(values) for name, values in self.notes.items()}}


@dataclasses.dataclass
class Row:
    key: str
    unit: str
    samples: dict  # program: Samples; ours is "ringo"
    more_is_better: bool = False
    remark: str = ""

    @property
    def ours(self):
        return self.samples.get("ringo")

    def peers(self):
        return {name: samples for name, samples in self.samples.items()
                if name != "ringo" and samples.values}

    def gain(self, peer):
        """How many times better than the peer: above 1 is better, whatever the figure is."""
        ours, theirs = self.ours.median, self.samples[peer].median
        if not ours or not theirs:
            return None
        return ours / theirs if self.more_is_better else theirs / ours


@dataclasses.dataclass
class Verdict:
    text: str = ""
    is_met: bool | None = None  # None: there is no goal
    share: float | None = None  # of the goal: 1 and less is met
    by_ratio: bool = False      # the share is that of the ratio to a peer


class Goals:
    """goals.json, and which versions of the peers take part in this run."""

    def __init__(self, contents, versions):
        self.goals = contents["goals"]
        self.beside = {name: peer["figures"] for name, peer in contents["beside"].items()
                       if name != "about" and versions.get(name, "").startswith(peer["version"])}

    def peer_of(self, row):
        """The peer that the row's goal names."""
        return self.goals.get(row.key, {}).get("to")

    def judge(self, row):
        goal = self.goals.get(row.key)
        if not goal or not row.ours or not row.ours.values:
            return Verdict()
        ours = row.ours.median
        if "at_most_ratio" in goal and goal["to"] in row.peers():
            ratio = ours / row.samples[goal["to"]].median
            bound = goal["at_most_ratio"]
            return Verdict(f"<= {bound:g} of {goal['to']}", ratio <= bound, ratio / bound)
        if "at_least" in goal:
            bound = goal["at_least"]
            verdict = Verdict(f">= {number(bound)}", ours >= bound, bound / ours if ours else None)
        else:
            bound = goal.get("at_most", goal.get("otherwise"))
            if bound is None:
                return Verdict(f"no {goal['to']}")
            verdict = Verdict(f"<= {number(bound)}", ours <= bound, ours / bound)
        return self.judge_beside(row, bound, verdict)

    def judge_beside(self, row, bound, verdict):
        """The verdict; where it is a miss, that of the ratio to a peer if it is the better one."""
        for name, figures in self.beside.items():
            if row.key not in figures or name not in row.peers() or not row.ours.median:
                continue
            was, is_now = bound / figures[row.key], row.ours.median / row.samples[name].median
            share = was / is_now if row.more_is_better else is_now / was
            verdict.text += f" or {was:.3g} of {name}"
            if not verdict.is_met and (verdict.share is None or share < verdict.share):
                verdict.share, verdict.is_met, verdict.by_ratio = share, share <= 1, True
        return verdict


def number(value):
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.3g}"


def spread(samples):
    least, most = min(samples.values), max(samples.values)
    return f"{number(least)}-{number(most)}" if len(samples.values) > 1 else ""


def table(rows, goals):
    """The one table, as lines; the rows that miss their goals once more at its end. `goals`: Goals."""
    head = ("figure", "unit", "ringo", "least-most", "peer", "", "gain", "others", "goal", "met?",
            "remark")
    lines, missed, met, met_by_ratio = [], [], 0, 0
    for row in rows:
        if not row.ours or not row.ours.values:
            continue
        verdict = goals.judge(row)
        named = goals.peer_of(row)
        ranked = sorted(row.peers(), key=lambda name: (name != named, name == "null"))
        first, *rest = ranked or [None]
        gain = row.gain(first) if first else None
        remark = ("far; " if row.ours.is_far else "") + row.remark
        word = {True: "met", False: "MISSED", None: ""}[verdict.is_met]
        if verdict.is_met is False and verdict.share:
            word += f" {verdict.share:.2f}x"
        if verdict.by_ratio:
            word += ", as a ratio"
        met += verdict.is_met is True
        met_by_ratio += verdict.is_met is True and verdict.by_ratio
        others = ", ".join(f"{name} {number(row.samples[name].median)}" for name in rest)
        lines.append((row.key, row.unit, number(row.ours.median),
                      spread(row.ours), first or "-",
                      number(row.samples[first].median) if first else "",
                      f"{gain:.2f}x" if gain else "", others, verdict.text, word, remark))
        if verdict.is_met is False:
            missed.append(f"  {row.key}: {number(row.ours.median)} {row.unit}, goal {verdict.text} "
                          f"({verdict.share:.2f}x of it)" if verdict.share else f"  {row.key}")
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    text = []
    for line in [head, *lines]:
        cells = [cell.rjust(width) if i in (2, 5, 6) else cell.ljust(width)
                 for i, (cell, width) in enumerate(zip(line, widths))]
        text.append(" | ".join(cells).rstrip())
    text.insert(1, "-+-".join("-" * width for width in widths))
    text.append(f"\ngoals: {met} met, {met_by_ratio} of them as a ratio to a peer of this run, "
                f"{len(missed)} missed")
    return text + missed

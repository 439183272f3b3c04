# SPDX-License-Identifier: MIT
"""The record of a run: one JSON file, and plots beside it where gnuplot is installed."""
import json
import shutil
import subprocess
import sys

from lib.machine import ROOT, say

FOLDER = ROOT / "bench" / "results"


def save(name, facts, versions, rows, goals, options, more=None):
    """Returns the path without its suffix."""
    FOLDER.mkdir(exist_ok=True)
    stem = FOLDER / f"{name}-{facts['commit']}"
    figures = {}
    for row in rows:
        verdict = goals.judge(row)
        figures[row.key] = {
            "unit": row.unit, "goal": verdict.text or None, "met": verdict.is_met,
            "share": verdict.share, "by_ratio": verdict.by_ratio,
            "programs": {program: samples.as_json() for program, samples in row.samples.items()
                         if samples.values}}
        if row.remark:
            figures[row.key]["remark"] = row.remark
    contents = {**facts, "peers": versions, "command": options, "figures": figures, **(more or {})}
    # One line a figure: small, and a difference of two records can be read.
    body = [f' {json.dumps(key)}: {json.dumps(value)}' for key, value in contents.items()
            if key != "figures"]
    lines = [f'  {json.dumps(key)}: {json.dumps(rounded(value))}' for key, value in figures.items()]
    body.append(' "figures": {\n' + ",\n".join(lines) + "\n }")
    stem.with_suffix(".json").write_text("{\n" + ",\n".join(body) + "\n}\n", encoding="utf-8")
    say(f"recorded: {stem.relative_to(ROOT)}.json")
    return stem


def rounded(value):
    """Five digits are more than the machine gives."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return value


def draw(path, size, commands):
    """Runs gnuplot's commands twice: for an .svg and a .png. `path` has no suffix."""
    gnuplot = shutil.which("gnuplot")
    if gnuplot is None:
        say("no plot: scripts/setup.sh bench installs gnuplot")
        return
    for terminal, suffix in ((f"svg size {size} background rgb 'white'", "svg"),
                             (f"pngcairo size {size}", "png")):
        script = "\n".join([f"set terminal {terminal}", f'set output "{path}.{suffix}"', *commands])
        done = subprocess.run([gnuplot], input=script, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            sys.exit(f"gnuplot: {done.stderr}")
        say(f"drawn: {path.relative_to(ROOT)}.{suffix}")


def plot(stem, rows, goals):
    by_key = {row.key: row for row in rows}
    plot_servers(stem, by_key)
    plot_goals(stem, rows, goals)


def plot_servers(stem, rows):
    """Processor time per operation of every server."""
    keys = [f"server/{operation}_p{pipeline}" for pipeline in (1, 16, 64)
            for operation in ("get", "set")]
    keys = [key for key in keys if key in rows]
    if not keys:
        return
    names = list(dict.fromkeys(name for key in keys for name in rows[key].samples))
    data = ["$data << END"]
    for key in keys:
        medians = [rows[key].samples[name].median if name in rows[key].samples else "?"
                   for name in names]
        data.append(" ".join(map(str, [key.removeprefix("server/").replace("_", "-"), *medians])))
    bars = ", ".join(f'$data using {index + 2}:xtic(1) title "{name}"'
                     for index, name in enumerate(names))
    draw(stem.parent / f"{stem.name}-server", "900,420",
         [*data, "END", "set style data histogram", "set style histogram cluster gap 1",
          "set style fill solid 0.8", "set logscale y", "set grid ytics",
          'set ylabel "us of processor time per operation"', "set key outside bottom horizontal",
          f"plot {bars}"])


def plot_goals(stem, rows, goals):
    """Every row with a goal: how much of it we take; to the left of the line it is met."""
    shares = [(row.key, goals.judge(row).share) for row in rows]
    shares = [(key, share) for key, share in shares if share]
    if not shares:
        return
    data = ["$data << END"]
    for index, (key, share) in enumerate(shares):
        data.append(f'{share} {len(shares) - index} "{key.replace("_", "-")}" {int(share > 1)}')
    draw(stem.parent / f"{stem.name}-goals", f"800,{60 + 14 * len(shares)}",
         [*data, "END", "set logscale x", "set grid xtics", "unset key",
          'set xlabel "our figure / goal"', f"set yrange [0:{len(shares) + 1}]",
          'set ytics font ",8"', "set arrow from 1, graph 0 to 1, graph 1 nohead lw 2",
          "set palette defined (0 '#2a7f3f', 1 '#b03030')", "unset colorbox", "set cbrange [0:1]",
          "plot $data using 1:2:4:ytic(3) with points pointtype 7 palette"])

#!/usr/bin/env python3
"""Makes of docs/bench/results.json, which scripts/bench.sh --json writes, the tables of docs/performance.md, what the
readme says of it, and the charts (with gnuplot).

    python3 bench/report.py

SPDX-License-Identifier: MIT OR Apache-2.0
"""
import configparser
import json
import os
import re
import subprocess
import tempfile
import textwrap

HERE = os.path.dirname(os.path.abspath(__file__))
DOCS = os.path.join(HERE, "..", "docs")


README = os.path.join(HERE, "..", "README.md")

# The limit is grey. What is not here has one of the others, in order.
COLOURS = {
    "bide": "#0b5fa5", "bide-tasks": "#6fa8dc", "epoll": "#8a8a8a", "libev": "#59a14f", "libuv": "#e8a33d",
    "libevent": "#d9d04c", "smol": "#c2497f", "tokio": "#d6604d", "go": "#4bb3c4", "threads": "#b9a3d0",
}
OTHERS = ["#6b4f3a", "#2f4b3c", "#7a1f5c", "#3b3b98", "#a0522d", "#008080"]


def colours(subjects):
    unknown = [subject for subject in subjects if subject not in COLOURS]
    return [COLOURS.get(subject) or OTHERS[unknown.index(subject) % len(OTHERS)] for subject in subjects]


def number(value):
    return "{:,.0f}".format(value) if abs(value) >= 1000 else ("%.1f" if abs(value) >= 100 else "%.2f") % value


def table(rows):
    lines = ["| workload | peer | ours | theirs | ours / theirs | spread |", "|---|---|---|---|---|---|"]
    for row in rows:
        unit = row["unit"]
        title = row["title"] if row["subject"] == "bide" else "in tasks: " + row["title"]
        lines.append("| %s | %s | %s %s | %s | %.2f%s | %.2f to %.2f |" % (
            title, row["peer"], number(row["ours"]), unit, number(row["theirs"]), row["ratio"],
            " (more is better)" if row["better"] == "higher" else "", row["spread"][0], row["spread"][1]))
    return "\n".join(lines)


def system_calls(rows):
    seen = {}
    for row in rows:
        if "system_calls_ours" in row:
            seen.setdefault(row["title"], {})[row["subject"]] = row["system_calls_ours"]
        if "system_calls_theirs" in row:
            seen.setdefault(row["title"], {})[row["peer"]] = row["system_calls_theirs"]
    lines = ["| workload | system calls a message |", "|---|---|"]
    for title, counts in seen.items():
        lines.append("| %s | %s |" % (title, ", ".join("%s %.2f" % pair for pair in counts.items())))
    return "\n".join(lines)


def latencies(rows):
    lines = ["| workload | subject | processor time a message | half of all within | 99 % | 99.9 % |",
             "|---|---|---|---|---|---|"]
    for row in rows:
        for who, name in (("ours", row["subject"]), ("theirs", row["peer"])):
            if "p50_us_" + who not in row or (who == "ours" and row["peer"] not in ("epoll", "bide")):
                continue
            if who == "theirs" and name == "bide":
                continue
            lines.append("| %s | %s | %.2f us | %s | %s | %s |" % (
                row["title"], name, row["cpu_ns_" + who] / 1e3,
                *(number(row[key]) + " us" if key in row else ""
                  for key in ("%s_us_%s" % (part, who) for part in ("p50", "p99", "p999")))))
    return "\n".join(lines)


def memory(rows):
    """Bytes, of all subjects side by side; goals and what was seen elsewhere are in the table of rows."""
    seen = {}
    for row in rows:
        if row["unit"] != "bytes":
            continue
        of = seen.setdefault(row["title"], {})
        of[row["subject"]] = row["ours"]
        if not row["peer"].endswith("*"):
            of[row["peer"]] = row["theirs"]
    lines = ["| what | bytes |", "|---|---|"]
    for title, values in seen.items():
        lines.append("| %s | %s |" % (title, ", ".join("%s %s" % (name, "{:,.0f}".format(value))
                                                        for name, value in values.items())))
    return "\n".join(lines)


def wanted(section):
    """The goals of a workload: how ours is to stand to each peer."""
    pairs = (goal.split() for goal in section.get("goal", "").split(",") if goal.strip())
    return {peer: float(value) for peer, value in pairs}


def met(row, goal):
    """With as many digits as are shown."""
    ratio = round(row["ratio"], 2)
    return ratio >= goal if row["better"] == "higher" else ratio <= goal


def goals(rows, config):
    """Each goal: reached, or not."""
    seen = {}
    for row in rows:
        section = config[row["workload"]] if row["workload"] in config else {}
        goal = wanted(section).get(row["peer"].rstrip("*"))
        if row["subject"] == "bide-tasks":
            goal = float(section["tasks_goal"]) if "tasks_goal" in section else None
        elif row["peer"] == "goal*":
            goal = 1.0
        if goal is not None:
            title = row["title"] if row["subject"] == "bide" else "in tasks: " + row["title"]
            text = "%s %.2f (%s %.2f)" % (row["peer"].rstrip("*"), row["ratio"],
                                          "\u2265" if row["better"] == "higher" else "\u2264", goal)
            if row["peer"] == "goal*":
                text = "%s of %s %s" % (number(row["ours"]), number(row["theirs"]), row["unit"])
            seen.setdefault(title, ([], []))[0 if met(row, goal) else 1].append(text)
        if row["peer"] == "epoll" and "goal" in section and "system_calls_ours" in row and "system_calls_theirs" in row:
            ours, theirs = row["system_calls_ours"], row["system_calls_theirs"]
            seen.setdefault(row["title"], ([], []))[0 if round(ours - theirs, 2) <= 0.01 else 1].append(
                "system calls %.2f, epoll %.2f" % (ours, theirs))
    lines = ["| workload | reached | not reached |", "|---|---|---|"]
    for title, (yes, no) in seen.items():
        lines.append("| %s | %s | %s |" % (title, "; ".join(yes), "; ".join(no)))
    all_met = sum(len(yes) for yes, _ in seen.values())
    return "%d of %d are reached.\n\n%s" % (all_met, sum(len(yes) + len(no) for yes, no in seen.values()),
                                         "\n".join(lines))


NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def rounds(result):
    count = max(row["runs"] for row in result["rows"])
    text = "%s round%s, %g s a run" % (NUMBERS[count] if count < len(NUMBERS) else count, "" if count == 1 else "s",
                                       result["seconds"])
    if "took" in result:
        minutes = max(1, round(result["took"] / 60))
        text += ", %d minute%s in all" % (minutes, "" if minutes == 1 else "s")
    return text


def machine(result):
    of = result["machine"]
    return "%s, %d processors%s, %s" % (of["processor"], of["processors"],
                                        " of a virtual machine" if of["virtual"] else "", of["system"])


def readme(result, rows):
    """The chart's caption, and the servers' line beside it."""
    text = ("Servers on one processor, clients on another one: rates beside those of the smallest program on raw epoll, "
            "which is 1. Measured on %s: %s; medians." % (machine(result), rounds(result)))
    ratios = {}
    for row in rows:
        if row["workload"] == "echo-64B-64" and row["subject"] == "bide" and not row["peer"].startswith("bide"):
            ratios[row["peer"]] = row["ratio"]
    if ratios:
        text += (" Ours over theirs, messages of 64 bytes by 64 connections: %s." %
                 ", ".join("%s %.2f" % pair for pair in ratios.items()))
    return "![Rates of servers beside raw epoll](docs/bench/echo.svg)\n\n" + textwrap.fill(text, 110)


def fill(path, parts):
    """Between `<!-- name -->` and `<!-- name ends -->`."""
    with open(path) as file:
        page = file.read()
    for name, text in parts.items():
        begin, end = "<!-- %s -->" % name, "<!-- %s ends -->" % name
        head, rest = page.split(begin)
        page = head + begin + "\n" + text + "\n" + end + rest.split(end)[1]
    with open(path, "w") as file:
        file.write(page)


def chart(name, title, label, rows, relative_to, logarithmic):
    """Grouped bars: a group each workload, a bar each subject; values, or parts of one subject's."""
    if not rows:
        print("nothing was measured for %s.svg: it is as it was" % name)
        return
    workloads, values, subjects = [], {}, []
    for row in rows:
        if row["title"] not in workloads:
            workloads.append(row["title"])
        for subject, value in ((row["subject"], row["ours"]), (row["peer"], row["theirs"])):
            values[row["title"], subject] = value
            if subject not in subjects:
                subjects.append(subject)
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "data")
        with open(data, "w") as file:
            for workload in workloads:
                unit = values.get((workload, relative_to), 1) if relative_to else 1
                cells = [values.get((workload, subject)) for subject in subjects]
                short = "\\n".join(textwrap.wrap(re.sub(r"^timers[^:]*: ", "", workload), 13))
                file.write('"%s" %s\n' % (short, " ".join("%g" % (cell / unit) if cell else "NaN" for cell in cells)))
        script = """
set terminal svg size 1100,400 font "sans-serif,12" background rgb "white"
set output "%s"
set title "%s"
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set boxwidth 0.9
set bmargin 6
set xtics font ",10"
set grid ytics lc rgb "#dddddd"
set key outside right
set ylabel "%s"
%s
plot %s
""" % (os.path.join(DOCS, "bench", name + ".svg"), title, label,
            "set logscale y" if logarithmic else "set yrange [0:*]",
            ", ".join('"%s" using %d:xtic(1) title "%s" noenhanced lc rgb "%s"' % (data, i + 2, subject, colour)
                      for i, (subject, colour) in enumerate(zip(subjects, colours(subjects)))))
        try:
            subprocess.run(["gnuplot"], input=script, text=True, check=True)
        except FileNotFoundError:
            print("no gnuplot: %s.svg is as it was" % name)


def main():
    with open(os.path.join(DOCS, "bench", "results.json")) as file:
        result = json.load(file)
    rows = result["rows"]
    config = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    config.optionxform = str
    with open(os.path.join(HERE, "workloads.ini")) as file:
        config.read_file(file)
    charted = {"echo": [], "timers": []}
    for row in rows:
        # A workload that is no more, in results that are older, has no chart.
        name = config[row["workload"]].get("chart") if row["workload"] in config else None
        if name in charted and not row["peer"].endswith("*") and row["peer"] != "http_server":
            charted[name].append(row)
    chart("echo", "Rates of servers, raw epoll = 1", "more is better", charted["echo"], "epoll", False)
    chart("timers", "A million timers, ns an operation", "less is better", charted["timers"], None, True)

    skipped = "\n".join("- %s: %s" % pair for pair in result["skipped"].items())
    fill(os.path.join(DOCS, "performance.md"), {
        "machine": machine(result) + "; " + rounds(result) + ".", "goals": goals(rows, config), "rows": table(rows),
        "system calls": system_calls(rows), "memory": memory(rows), "latencies": latencies(rows),
        "skipped": skipped or "Nothing was."})
    fill(README, {"bench": readme(result, rows)})


if __name__ == "__main__":
    main()

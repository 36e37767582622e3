#!/usr/bin/env python3
"""Makes of docs/bench/results.json, which scripts/bench.sh --json writes, the tables of docs/performance.md and the
charts beside it (with gnuplot).

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


# Ours first, the limit grey where there is one.
COLOURS = ["#0b5fa5", "#8a8a8a", "#59a14f", "#e8a33d", "#d9d04c", "#c2497f", "#d6604d", "#4bb3c4", "#b9a3d0", "#6b4f3a"]


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


def machine(result):
    of = result["machine"]
    return "%s, %d processors%s, %s." % (of["processor"], of["processors"],
                                         " of a virtual machine" if of["virtual"] else "", of["system"])


def chart(name, title, label, rows, relative_to, logarithmic):
    """Grouped bars: a group each workload, a bar each subject; values, or parts of one subject's."""
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
                short = "\\n".join(textwrap.wrap(re.sub(r"^[^:]*: ", "", workload), 12))
                file.write('"%s" %s\n' % (short, " ".join("%g" % (cell / unit) if cell else "NaN" for cell in cells)))
        script = """
set terminal svg size 900,380 font "sans-serif,12" background rgb "white"
set output "%s"
set title "%s"
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set boxwidth 0.9
set bmargin 5
set grid ytics lc rgb "#dddddd"
set key outside right
set ylabel "%s"
%s
plot %s
""" % (os.path.join(DOCS, "bench", name + ".svg"), title, label,
            "set logscale y" if logarithmic else "set yrange [0:*]",
            ", ".join('"%s" using %d:xtic(1) title "%s" noenhanced lc rgb "%s"' % (data, i + 2, subject, colour)
                      for i, (subject, colour) in enumerate(zip(subjects, COLOURS))))
        subprocess.run(["gnuplot"], input=script, text=True, check=True)


def main():
    with open(os.path.join(DOCS, "bench", "results.json")) as file:
        result = json.load(file)
    rows = result["rows"]
    config = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    config.optionxform = str
    with open(os.path.join(HERE, "workloads.ini")) as file:
        config.read_file(file)
    charted = {name: [row for row in rows if config[row["workload"]].get("chart") == name
                      and not row["peer"].endswith("*")] for name in ("echo", "timers")}
    chart("echo", "Rates of servers, raw epoll = 1", "more is better", charted["echo"], "epoll", False)
    chart("timers", "A million timers, ns an operation", "less is better", charted["timers"], None, True)

    parts = {"machine": machine(result), "rows": table(rows), "system calls": system_calls(rows),
             "latencies": latencies(rows),
             "skipped": "\n".join("- %s: %s" % pair for pair in result["skipped"].items()) or "Nothing was."}
    path = os.path.join(DOCS, "performance.md")
    with open(path) as file:
        page = file.read()
    for name, text in parts.items():
        begin, end = "<!-- %s -->" % name, "<!-- %s ends -->" % name
        head, rest = page.split(begin)
        page = head + begin + "\n" + text + "\n" + end + rest.split(end)[1]
    with open(path, "w") as file:
        file.write(page)


if __name__ == "__main__":
    main()

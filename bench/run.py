#!/usr/bin/env python3
"""Runs what workloads.ini lists, each subject against each peer in alternation, and prints the ratios.

Called by scripts/bench.sh, which builds everything. README.md has the contract.
SPDX-License-Identifier: MIT OR Apache-2.0
"""
import argparse
import configparser
import glob
import json
import os
import platform
import resource
import select
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
OURS = ("bide", "bide-tasks")


class Failed(Exception):
    """A subject that could not be measured; the text says why."""


def pinned(cpu, command):
    return ["taskset", "-c", str(cpu)] + command


def measurements(text):
    """The lines `name value unit [key=value ...]`, by name."""
    found = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 3:
            raise Failed("a line that is no measurement: " + line)
        more = dict(field.split("=", 1) for field in fields[3:])
        found[fields[0]] = dict(more, value=float(fields[1]), unit=fields[2])
    return found


def counted():
    """The atomic read-modify-writes of operations, which check-counts.sh keeps true."""
    with open(os.path.join(HERE, "counts.txt")) as file:
        rows = [line.split() for line in file if not line.startswith(("#", "compiler"))]
    return {row[0]: float(row[2]) for row in rows if len(row) == 3}


def missing(build):
    """The paths, or how they begin, of programs that could not be built, with the reason: see scripts/bench.sh."""
    try:
        with open(os.path.join(build, "bench", "missing")) as file:
            return [line.rstrip("\n").split(" ", 1) for line in file]
    except FileNotFoundError:
        return []


def run_program(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    if done.returncode != 0:
        raise Failed("%s: exit status %d: %s" % (os.path.basename(command[-1]), done.returncode, done.stderr.strip()))
    return measurements(done.stdout)


class Server:
    """A server under measurement, on a processor of its own."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        begun = select.select([self.process.stdout], [], [], 30)[0]
        self.address = self.process.stdout.readline().strip() if begun else ""
        if not self.address:
            self.process.kill()
            self.process.wait()
            raise Failed("the server has not started")

    def cpu_ns(self):
        """To the nanosecond of the threads that are there; those that have ended are known to a hundredth of a second."""
        with open("/proc/%d/stat" % self.process.pid) as file:
            ticks = file.read().rsplit(")", 1)[1].split()[11:13]
        least = sum(int(tick) for tick in ticks) * 1000000000 // os.sysconf("SC_CLK_TCK")
        total = 0
        for path in glob.glob("/proc/%d/task/*/schedstat" % self.process.pid):
            try:
                with open(path) as file:
                    total += int(file.read().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                pass  # a thread that has ended
        return max(total, least)

    def resident(self):
        with open("/proc/%d/statm" % self.process.pid) as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Bench:
    def __init__(self, options, config):
        self.options = options
        self.config = config
        self.skipped = {}
        self.counts = counted()
        self.missing = missing(options.build)
        self.known = {}  # what a run of a program has measured for other workloads as well
        self.done = 0
        self.todo = 0
        self.started = time.monotonic()

    # --- Progress ---

    def progress(self, text):
        self.done += 1
        if not sys.stderr.isatty():
            return
        part = self.done / max(self.todo, 1)
        left = (time.monotonic() - self.started) * (1 - part) / part
        bar = "#" * int(24 * part)
        sys.stderr.write("\r[%-24s] %3d %%, %d:%02d left  %-40.40s" % (bar, 100 * part, left // 60, left % 60, text))
        sys.stderr.flush()

    def clear_progress(self):
        if sys.stderr.isatty():
            sys.stderr.write("\r%80s\r" % "")

    # --- Subjects ---

    def leave_out(self, section, name, why):
        """A subject, from this workload alone."""
        self.skipped["%s, %s" % (section.name, name)] = why

    def is_left_out(self, section, name):
        return "%s, %s" % (section.name, name) in self.skipped

    def subjects(self, section):
        """The commands of a workload, ours first; those whose program is not there are noted as skipped."""
        kind = "servers" if "servers" in section else "programs"
        found = {}
        for name, command in self.config["%s %s" % (kind, section[kind])].items():
            words = shlex.split(command)
            path = os.path.join(self.options.build, words[0])
            # A program of an earlier build may be there all the same.
            whys = [why for what, why in self.missing if words[0].startswith(what)]
            if whys:
                self.skipped[name] = whys[0]
            elif not os.access(path, os.X_OK):
                self.leave_out(section, name, "not built")
            else:
                found[name] = [path] + words[1:]
        return found

    def measure(self, section, name, command, round_):
        """One run: value, and what else is known of it. Workloads that have their programs in common share the runs."""
        seconds = str(self.options.seconds)
        if "servers" not in section:
            run = (section["programs"], name, round_)
            if run not in self.known:
                command = [word.replace("{seconds}", seconds) for word in command]
                if section.get("processors") != "all":
                    command = pinned(self.options.server_cpu, command)
                self.known[run] = run_program(command)
            return self.known[run][section.get("measure", section.name)]
        server = Server(pinned(self.options.server_cpu, command))
        try:
            load = [word.replace("{address}", server.address) for word in shlex.split(section["load"])]
            empty, before = server.resident(), server.cpu_ns()
            program = os.path.join(self.options.build, "bench/bench_load")
            found = run_program(pinned(self.options.load_cpu, [program] + load + [seconds]))[load[0]]
            found["cpu_ns"] = (server.cpu_ns() - before) / float(found["operations"])
            found["bytes"] = (server.resident() - empty) / float(load[2])
            return found
        finally:
            server.stop()

    def system_calls(self, section, command):
        """How many an operation needs: from two runs under strace, so that start and end are left out."""
        if "servers" not in section:
            return None
        counts = []
        for messages in (2000, 22000):
            with tempfile.NamedTemporaryFile("r") as log:
                server = Server(["strace", "-f", "-c", "-o", log.name] + command)
                try:
                    load = [word.replace("{address}", server.address) for word in shlex.split(section["load"])]
                    program = os.path.join(self.options.build, "bench/bench_load")
                    operations = float(run_program([program] + load + ["60", str(messages)])[load[0]]["operations"])
                finally:
                    # To the traced one: strace writes what it has counted when that ends.
                    for child in glob.glob("/proc/%d/task/*/children" % server.process.pid):
                        with open(child) as file:
                            for pid in file.read().split():
                                os.kill(int(pid), signal.SIGTERM)
                    server.process.wait(20)
                total = [line.split() for line in log if line.rstrip().endswith("total")]
                counts.append((float(total[0][-3] if len(total[0]) > 4 else total[0][-2]), operations))
        return (counts[1][0] - counts[0][0]) / (counts[1][1] - counts[0][1])

    # --- Workloads ---

    def run(self, section):
        subjects = self.subjects(section)
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if "servers" in section and int(shlex.split(section["load"])[2]) + 100 > most != resource.RLIM_INFINITY:
            self.skipped[section.name] = "no more than %d descriptors are allowed" % most
            subjects = {}
        values = {name: [] for name in subjects}
        details = {}
        for round_ in range(self.options.runs):
            order = list(subjects) if round_ % 2 == 0 else list(reversed(subjects))
            for name in order:
                self.progress("%s: %s" % (section.name, name))
                if self.is_left_out(section, name):
                    continue
                try:
                    found = self.measure(section, name, subjects[name], round_)
                except (Failed, KeyError, OSError, subprocess.TimeoutExpired) as error:
                    self.leave_out(section, name, str(error))
                    continue
                values[name].append(found["value"])
                details.setdefault(name, []).append(found)
        # Figures that others have told, or that are to be reached: marked, for they are of no alternation.
        for figure in filter(None, section.get("elsewhere", "").split(",")):
            name, value = figure.split()
            values[name + "*"] = [float(value)] * self.options.runs
        calls = {}
        if section.getboolean("system_calls", False) and not self.options.smoke:
            for name in subjects:
                try:
                    calls[name] = self.system_calls(section, subjects[name])
                except (Failed, OSError, IndexError, ValueError, subprocess.TimeoutExpired) as error:
                    self.leave_out(section, name + "'s system calls", str(error))
        return values, details, calls

    def rows(self, section, values, details, calls):
        rows = []
        for subject in OURS:
            for peer in values:
                if peer == subject or subject not in values:
                    continue
                if peer == "bide-tasks" or (subject == "bide-tasks" and peer != "bide"):
                    continue
                pairs = [(a, b) for a, b in zip(values[subject], values[peer]) if b]
                if not pairs:
                    continue
                ratios = sorted(a / b for a, b in pairs)
                row = {
                    "workload": section.name,
                    "title": section.get("title", section.name),
                    "unit": section["unit"],
                    "better": section["better"],
                    "subject": subject,
                    "peer": peer,
                    "ours": statistics.median(values[subject]),
                    "theirs": statistics.median(values[peer]),
                    "ratio": statistics.median(ratios),
                    "spread": [ratios[0], ratios[-1]],
                    "runs": len(pairs),
                }
                if section.get("counted") in self.counts:
                    row["atomics"] = self.counts[section["counted"]]
                for name, which in (("ours", subject), ("theirs", peer)):
                    if which in calls:
                        row["system_calls_" + name] = calls[which]
                    for key in ("cpu_ns", "p50_us", "p99_us", "p999_us", "bytes"):
                        if key == "bytes" and not section.getboolean("memory", False):
                            continue
                        known = [float(found[key]) for found in details.get(which, []) if key in found]
                        if known:
                            row["%s_%s" % (key, name)] = statistics.median(known)
                rows.append(row)
        return rows


HEAD = "%-42s %-10s %12s %12s %7s  %-11s %s" % ("workload, unit", "peer", "ours", "theirs", "ratio", "spread", "system calls")


def number(value):
    return ("%.2f" if abs(value) < 100 else "%.0f") % value


def line(row):
    calls = ""
    if "system_calls_ours" in row and "system_calls_theirs" in row:
        calls = "%.2f, %.2f" % (row["system_calls_ours"], row["system_calls_theirs"])
    if "atomics" in row:
        calls = "%.2f atomics" % row["atomics"]
    name = "%s, %s" % (row["title"], row["unit"])
    if row["subject"] != "bide":
        name = "in tasks: " + name
    return "%-42s %-10s %12s %12s %7.2f  %.2f..%.2f  %s" % (
        name, row["peer"], number(row["ours"]), number(row["theirs"]), row["ratio"], row["spread"][0], row["spread"][1],
        calls)


def machine():
    model = "unknown"
    with open("/proc/cpuinfo") as file:
        for text in file:
            if text.startswith("model name"):
                model = text.split(":", 1)[1].strip()
                break
    return {
        "processor": model,
        "processors": os.cpu_count(),
        "system": "%s %s" % (platform.system(), platform.release()),
        "virtual": os.path.exists("/sys/hypervisor") or "hypervisor" in open("/proc/cpuinfo").read(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workload", nargs="*", help="those alone, or those whose names begin so; all without")
    parser.add_argument("--quick", action="store_true", help="three pairs instead of nine")
    parser.add_argument("--smoke", action="store_true", help="one short run each: do all of them work?")
    parser.add_argument("--json", metavar="FILE", help="write the rows there")
    parser.add_argument("--build", default=os.path.join(HERE, "..", "build", "bench"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.runs, options.seconds = (1, 0.05) if options.smoke else (3, 0.4) if options.quick else (9, 0.5)
    if options.json:
        # Now rather than after half an hour: whether it can be written.
        os.makedirs(os.path.dirname(os.path.abspath(options.json)), exist_ok=True)
        open(options.json, "a").close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    processors = sorted(os.sched_getaffinity(0))
    options.server_cpu, options.load_cpu = processors[0], processors[1 % len(processors)]

    config = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    config.optionxform = str
    with open(os.path.join(HERE, "workloads.ini")) as file:
        config.read_file(file)
    chosen = [config[name] for name in config.sections() if " " not in name]
    if options.workload:
        unknown = [w for w in options.workload if not any(section.name.startswith(w) for section in chosen)]
        if unknown:
            parser.error("no such workload: %s; there are: %s" %
                         (", ".join(unknown), ", ".join(section.name for section in chosen)))
        chosen = [s for s in chosen if any(s.name.startswith(w) for w in options.workload)]

    bench = Bench(options, config)
    bench.todo = sum(len(bench.subjects(section)) for section in chosen) * options.runs
    if len(processors) < 2:
        print("one processor only: servers and clients share it, and the ratios say little")
    print(HEAD)
    rows = []
    for section in chosen:
        found = bench.rows(section, *bench.run(section))
        bench.clear_progress()
        for row in found:
            print(line(row), flush=True)
        rows += found
    for name, why in bench.skipped.items():
        print("skipped: %s (%s)" % (name, why))
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": machine(), "seconds": options.seconds, "rows": rows,
                       "skipped": bench.skipped}, file, indent=1)
            file.write("\n")
    # A peer that is missing is no failure; one of ours is.
    lost = [name for name in bench.skipped if name.split(", ")[-1] in OURS]
    print("%d rows, %d skipped" % (len(rows), len(bench.skipped)))
    return 1 if lost or not rows else 0


if __name__ == "__main__":
    sys.exit(main())

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
import re
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
    """The programs that could not be built, or their folders with a slash, and the reason: see scripts/bench.sh."""
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


def in_us(text):
    """What wrk prints as a time, in microseconds."""
    for unit, factor in (("us", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 6e7)):
        if text.endswith(unit):
            return float(text[:-len(unit)]) * factor
    raise Failed("no time: " + text)


def run_wrk(prefix, address, connections, path, seconds):
    """What wrk says of a server for HTTP, as run_program would; it takes whole seconds."""
    command = ["wrk", "-t1", "-c" + connections, "-d%ds" % max(1, round(seconds)), "--latency", "--timeout", "10s",
               "http://%s%s" % (address, path)]
    try:
        done = subprocess.run(prefix + command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    except FileNotFoundError:
        raise Failed("no wrk")
    lines = [line.split() for line in done.stdout.splitlines()]
    found = {"unit": "requests/s"}
    for line in lines:
        if line[:1] == ["Requests/sec:"]:
            found["value"] = float(line[1])
        elif line[1:3] == ["requests", "in"]:
            found["operations"] = float(line[0])
        elif len(line) == 2 and line[0] in ("50%", "99%"):
            found["p%s_us" % line[0][:2]] = in_us(line[1])
        elif line[:1] == ["Non-2xx"] or line[:2] == ["Socket", "errors:"]:
            raise Failed("wrk: " + " ".join(line))
    if done.returncode != 0 or "value" not in found or not found.get("operations"):
        raise Failed("wrk: exit status %d: %s" % (done.returncode, done.stdout.strip().splitlines()[-1:]))
    return found


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
        """The most so far: at the end of a run the clients have gone already."""
        with open("/proc/%d/status" % self.process.pid) as file:
            return int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1)) * 1024

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
        self.lost = False  # one of ours has failed
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
        self.lost |= name in OURS

    def is_left_out(self, section, name):
        return "%s, %s" % (section.name, name) in self.skipped

    def subjects(self, section):
        """The commands of a workload, ours first; those whose program is not there are noted as skipped."""
        kind = "servers" if "servers" in section else "programs"
        found = {}
        chosen = section.get("subjects")
        for name, command in self.config["%s %s" % (kind, section[kind])].items():
            if chosen and name not in chosen.split(", "):
                continue
            words = shlex.split(command)
            path = os.path.join(self.options.build, words[0])
            # A program of an earlier build may be there all the same.
            whys = [why for what, why in self.missing
                    if words[0] == what or (what.endswith("/") and words[0].startswith(what))]
            if whys:
                self.skipped[name] = whys[0]
            elif not os.access(path, os.X_OK):
                self.leave_out(section, name, "not built")
            else:
                found[name] = [path] + words[1:]
        return found

    def drive(self, section, address, seconds, messages=None, prefix=()):
        """The clients of a server, until the time is over or so many messages are through."""
        load = [word.replace("{address}", address) for word in shlex.split(section["load"])]
        if load[0] == "wrk":
            # It counts no messages: a second for the fewest, and more for more.
            return run_wrk(list(prefix), *load[1:], seconds if messages is None else 1 + messages // 20000)
        program = os.path.join(self.options.build, "bench/bench_load")
        command = list(prefix) + [program] + load + [str(seconds)] + ([] if messages is None else [str(messages)])
        return run_program(command)[load[0]]

    def measure(self, section, name, command, round_):
        """One run: value, and what else is known of it. Workloads that have their programs in common share the runs."""
        seconds = str(self.options.seconds)
        if "servers" not in section:
            run = (section["programs"], name, round_)
            if run not in self.known:
                command = [word.replace("{seconds}", seconds).replace("{operations}", "0") for word in command]
                if section.get("processors") != "all":
                    command = pinned(self.options.server_cpu, command)
                self.known[run] = run_program(command)
            return self.known[run][section.get("measure", section.name)]
        server = Server(pinned(self.options.server_cpu, command))
        try:
            empty, before = server.resident(), server.cpu_ns()
            least = min(self.options.seconds, section.getfloat("seconds", self.options.seconds))
            found = self.drive(section, server.address, least, prefix=pinned(self.options.load_cpu, []))
            found["cpu_ns"] = (server.cpu_ns() - before) / float(found["operations"])
            found["bytes"] = (server.resident() - empty) / float(shlex.split(section["load"])[2])
            return found
        finally:
            server.stop()

    def traced(self, section, command, messages):
        """The system calls of a run of so many messages under strace, and how many messages there were."""
        with tempfile.NamedTemporaryFile("r") as log:
            trace = ["strace", "-f", "-c", "-o", log.name]
            if "servers" not in section:
                words = [word.replace("{seconds}", "60").replace("{operations}", str(messages)) for word in command]
                operations = run_program(trace + words)[section.get("measure", section.name)]["operations"]
            else:
                server = Server(trace + command)
                try:
                    operations = self.drive(section, server.address, 60, messages)["operations"]
                finally:
                    # To the traced one: strace writes what it has counted when that ends.
                    for child in glob.glob("/proc/%d/task/*/children" % server.process.pid):
                        with open(child) as file:
                            for pid in file.read().split():
                                os.kill(int(pid), signal.SIGTERM)
                    server.process.wait(20)
            # % time, seconds, usecs/call, calls, …, of each call; the last line has the sum, without some columns.
            rows = [line.split() for line in log if re.match(r" *[0-9.]+ +[0-9.]+ ", line)]
            return sum(int(row[3]) for row in rows if row[-1] != "total"), float(operations)

    def system_calls(self, section, command):
        """How many an operation needs: from two runs under strace, so that start and end are left out."""
        less, more = self.traced(section, command, 2000), self.traced(section, command, 22000)
        return (more[0] - less[0]) / (more[1] - less[1])

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
                except (Failed, KeyError, OSError, IndexError, ValueError, ZeroDivisionError,
                        subprocess.TimeoutExpired) as error:
                    self.leave_out(section, name + "'s system calls", "%s: %s" % (type(error).__name__, error))
        return values, details, calls

    def rows(self, section, values, details, calls):
        rows = self.compared(section, values)
        for row in rows:
            if section.get("counted") in self.counts:
                row["atomics"] = self.counts[section["counted"]]
            for name, which in (("ours", row["subject"]), ("theirs", row["peer"])):
                if which in calls:
                    row["system_calls_" + name] = calls[which]
                for key in ("cpu_ns", "p50_us", "p99_us", "p999_us"):
                    known = [float(found[key]) for found in details.get(which, []) if key in found]
                    if known:
                        row["%s_%s" % (key, name)] = statistics.median(known)
        if section.getboolean("memory", False):
            bytes_of = {name: [found["bytes"] for found in runs if "bytes" in found] for name, runs in details.items()}
            rows += [dict(row, workload=section.name + "-memory", unit="bytes", better="lower",
                          title="resident memory of a connection: " + row["title"])
                     for row in self.compared(section, bytes_of)]
        return rows

    def compared(self, section, values):
        """Ours with each peer, run by run."""
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
                rows.append({
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
                })
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
    parser.add_argument("--rounds", type=int, help="so many pairs")
    parser.add_argument("--json", metavar="FILE", help="write the rows there")
    parser.add_argument("--build", default=os.path.join(HERE, "..", "build", "bench"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.runs, options.seconds = (1, 0.05) if options.smoke else (3, 0.25) if options.quick else (9, 0.25)
    options.runs = options.rounds or options.runs
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
    took = time.monotonic() - bench.started
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": machine(), "seconds": options.seconds, "took": round(took), "rows": rows,
                       "skipped": bench.skipped}, file, indent=1)
            file.write("\n")
    # A peer that is missing is no failure; one of ours is.
    print("%d rows, %d skipped, in %d:%02d" % (len(rows), len(bench.skipped), took // 60, took % 60))
    return 1 if bench.lost or not rows else 0


if __name__ == "__main__":
    sys.exit(main())

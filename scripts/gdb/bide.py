# Bide's tasks in gdb: in a running program and in a core file.
#
#   (gdb) source bide.py             unless gdb has loaded it with the library
#   (gdb) info bide tasks            what there is: number, name, state, where it was spawned
#   (gdb) bide task 7 bt             the stack of a task, suspended or running
#   (gdb) bide task 7                makes it the current stack: bt, frame, up, info locals are the task's;
#                                    frame 0 stays the thread's own. A running task: switches to its thread
#   (gdb) bide task off              back to the thread's own stack
#
# A core file must be the kernel's: gdb's own (generate-core-file) lacks the stacks where guards are light
# (Linux 6.13), because gdb gives a mapping up when one page of it cannot be read.
#
# Needs the library's debugging symbols (-g). Knows how x86-64, AArch64 and RISC-V suspend a task in the
# switches in assembler: src/task/machine.h.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
import gdb
import gdb.unwinder

STATES = ["free", "ready", "ready", "suspended", "suspended", "suspended"]
RUNS = 1
CHUNK = 64

# How a suspended fiber lies on its stack: the stack pointer, the registers in words of eight bytes from the
# saved one on (the program counter's too), and how many words there are. On x86-64 what is needed is in the fiber.
LAYOUTS = {
    "i386:x86-64": ("rsp", {"rbp": "frame", "rip": "pc"}, 0),
    "aarch64": ("sp", dict([("x%d" % (19 + i), i) for i in range(12)] + [("pc", 11)]), 20),
    "riscv:rv64": ("sp", dict([("ra", 0), ("pc", 0), ("s0", 1), ("s1", 2)] +
                              [("s%d" % i, i + 1) for i in range(2, 12)]), 26),
}
COUNTERS = {"i386:x86-64": "rip", "aarch64": "pc", "riscv:rv64": "pc"}


def architecture():
    name = gdb.selected_inferior().architecture().name()
    try:
        gdb.parse_and_eval("&bide_fiber_start")
    except gdb.error:
        raise gdb.GdbError("bide: not built with the switch in assembler, or without symbols: no stacks")
    for known in LAYOUTS:
        if name.startswith(known):
            return known
    raise gdb.GdbError("bide: not known how tasks are suspended on " + name)


def first_chunk():
    try:
        return gdb.parse_and_eval("'record.c'::chunks")
    except gdb.error:
        raise gdb.GdbError("bide: no tasks found: the library is not there, or has no debugging symbols")


def records():
    chunk = first_chunk()
    while int(chunk) != 0:
        for i in range(CHUNK):
            yield chunk["records"][i]
        chunk = chunk["next"]


def plain(value):
    """An integer, of an atomic one too."""
    return int(value)


def tasks():
    found = [record for record in records() if plain(record["life"]) & RUNS]
    return sorted(found, key=lambda record: plain(record["number"]))


def text(pointer, otherwise):
    return pointer.string() if int(pointer) != 0 else otherwise


def state(record):
    if int(record["worker"]) != 0:
        return "running"
    return "joins" if plain(record["joining"]) == 1 else STATES[plain(record["state"])]


def waits_for(record):
    """The name of what it waits for, and its address."""
    future = record["awaiter"]["awaits"]
    if int(future) == 0:
        return ""
    ops = future["ops_"]
    if int(ops) == 0 or not plain(ops["flags"]) & 2:
        return "a future at 0x%x" % int(future)
    kind = ops.cast(gdb.lookup_type("bide_future_kind").pointer())
    return "%s (0x%x)" % (kind["name"].string(), int(future))


def task_of(number):
    for record in tasks():
        if plain(record["number"]) == number:
            return record
    raise gdb.GdbError("bide: there is no task %d" % number)


def stack_pointer():
    return int(gdb.newest_frame().read_register("sp"))


def thread_of(record):
    """The thread whose stack pointer is in the task's stack."""
    low = int(record["stack"]["low"])
    high = low + plain(record["stack"]["size"])
    before = gdb.selected_thread()
    found = None
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        if low <= stack_pointer() < high:
            found = thread
            break
    before.switch()
    return found


class Unwinder(gdb.unwinder.Unwinder):
    """Has the frames of a task follow frame 0 of one thread. Nothing is written to the program."""

    def __init__(self):
        super().__init__("bide")
        self.task = None

    def show(self, record):
        self.thread = gdb.selected_thread()
        self.task = None
        gdb.invalidate_cached_frames()
        name = architecture()
        self.stack, registers, words = LAYOUTS[name]
        self.counter = COUNTERS[name]
        self.top = stack_pointer()
        fiber = record["stack"]["fiber"]
        frame = int(fiber["sp"])
        self.end = frame + 8 * words
        word = gdb.lookup_type("unsigned long").pointer()
        self.values = {}
        for register, place in registers.items():
            if words == 0:
                self.values[register] = int(fiber[place])
            else:
                self.values[register] = int(gdb.Value(frame + 8 * place).cast(word).dereference())
        self.task = plain(record["number"])
        gdb.invalidate_cached_frames()

    def hide(self):
        self.task = None
        gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if self.task is None or gdb.selected_thread() != self.thread:
            return None
        sp = pending.read_register(self.stack)
        if int(sp) != self.top:
            return None
        class Id:
            pass
        frame = Id()
        frame.sp = sp
        frame.pc = pending.read_register(self.counter)
        unwound = pending.create_unwind_info(frame)
        for register, value in self.values.items():
            kind = pending.read_register(register).type
            unwound.add_saved_register(register, gdb.Value(value).cast(kind))
        unwound.add_saved_register(self.stack, gdb.Value(self.end).cast(sp.type))
        return unwound


unwinder = Unwinder()
gdb.unwinder.register_unwinder(None, unwinder, replace=True)


class InfoBide(gdb.Command):
    """About Bide, the library for async I/O: info bide tasks."""

    def __init__(self):
        super().__init__("info bide", gdb.COMMAND_STATUS, prefix=True)


class InfoBideTasks(gdb.Command):
    """Lists the tasks: number, state, name, what it waits for, where it was spawned."""

    def __init__(self):
        super().__init__("info bide tasks", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        gdb.write("%6s  %-9s  %s\n" % ("Task", "State", "Name, what it waits for, where it was spawned"))
        for record in tasks():
            parts = ['"%s"' % text(record["name"], "")]
            if state(record) == "suspended":
                parts.append("waits for " + waits_for(record))
            parts.append("spawned at " + text(record["place"], "?"))
            gdb.write("%6d  %-9s  %s\n" % (plain(record["number"]), state(record), ", ".join(parts)))


class Bide(gdb.Command):
    """Bide, the library for async I/O: bide task NUMBER [bt], bide task off."""

    def __init__(self):
        super().__init__("bide", gdb.COMMAND_STACK, prefix=True)


class BideTask(gdb.Command):
    """bide task NUMBER: makes the task's stack the current one, behind frame 0.
bide task NUMBER bt: shows it. bide task off: back to the thread's own."""

    def __init__(self):
        super().__init__("bide task", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        if words == ["off"]:
            unwinder.hide()
            return
        if not words or not words[0].isdigit() or words[1:] not in ([], ["bt"]):
            raise gdb.GdbError("bide task NUMBER [bt], or bide task off")
        unwinder.hide()
        record = task_of(int(words[0]))
        if words[1:]:
            self.backtrace(record)
        else:
            self.select(record)

    def select(self, record):
        thread = thread_of(record)
        if thread:
            thread.switch()
            gdb.write("task %d runs on thread %d\n" % (plain(record["number"]), thread.num))
            return
        unwinder.show(record)
        older = gdb.newest_frame().older()
        if older:
            older.select()
        gdb.execute("frame")

    def backtrace(self, record):
        before = gdb.selected_thread()
        thread = thread_of(record)
        try:
            if thread:
                thread.switch()
                gdb.execute("backtrace")
            else:
                unwinder.show(record)
                lines = gdb.execute("backtrace", to_string=True).splitlines(True)
                first = next((i for i, line in enumerate(lines) if line.startswith("#1 ")), len(lines))
                gdb.write("".join(lines[first:]))
        finally:
            unwinder.hide()
            before.switch()


InfoBide()
InfoBideTasks()
Bide()
BideTask()

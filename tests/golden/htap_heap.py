# SPDX-License-Identifier: BSD-2-Clause
"""What the records of a recording make of the heaps in it, counted in the simplest way there is:
every block that ever was is kept, and questions are answered by looking at all of them. A second
opinion on heaptap's reports, made from docs/format.md and README.md alone; htap_format.py reads.
"""
import collections

FUNCTIONS = {1: ("malloc", "glibc"), 2: ("calloc", "glibc"), 3: ("realloc", "glibc"),
             5: ("free", "glibc"), 6: ("posix_memalign", "glibc"), 96: ("operator new", "c++"),
             104: ("operator delete", "c++")}
REALLOC = CUT = EMPTY = 1  # the flag of ALLOC and FREE, of STACK, of FORK

Stack = collections.namedtuple("Stack", "frames cut")
Frame = collections.namedtuple("Frame", "function file line module offset inlined")
Event = collections.namedtuple(
    "Event", "kind time_ns pid tid func addr size old_addr old_size stack")
NO_STACK = Stack((), False)


class Block:
    """One block, from its allocation to its end, or for ever."""

    def __init__(self, record):
        self.addr, self.size, self.born_ns = record["addr"], record["bytes"], record["time_ns"]
        self.tid, self.func, self.stack = record["tid"], record["func"], record["stack"]
        self.died_ns, self.end, self.freed_by, self.temporary = None, None, None, False

    def lives_at(self, time_ns):
        return self.born_ns <= time_ns and (self.died_ns is None or self.died_ns > time_ns)


class Process:
    """One process: blocks (all that ever were), live (by address), and what happened (events)."""

    def __init__(self, pid, parent=None, time_ns=0):
        self.pid, self.ended_ns = pid, None
        self.blocks, self.live, self.moving, self.events = [], {}, {}, []
        self.newest = {}  # the block that each thread allocated last
        self.inherited = []
        self.peak_bytes = self.peak_ns = self.size = 0
        self.mappings = list(parent.mappings) if parent else []
        if parent:
            self._inherit(parent, time_ns)

    def _inherit(self, parent, time_ns):
        # Threads that were in the middle of a realloc are not in the child: their blocks are.
        for block in [*parent.live.values(), *filter(None, parent.moving.values())]:
            copy = Block({"addr": block.addr, "bytes": block.size, "time_ns": block.born_ns,
                          "tid": block.tid, "func": block.func, "stack": block.stack})
            self.inherited.append(copy)
            self.live[copy.addr] = copy
            self.blocks.append(copy)
            if parent.newest.get(block.tid) is block:
                self.newest[block.tid] = copy
        self.size = self.peak_bytes = sum(block.size for block in self.inherited)
        self.peak_ns = time_ns

    def exec(self):
        self.blocks, self.live, self.moving, self.newest = [], {}, {}, {}
        self.mappings, self.inherited = [], []
        self.peak_bytes = self.peak_ns = self.size = 0

    def _note(self, kind, record, block=None, addr=0, size=0, old=None, stack=None):
        self.events.append(Event(kind, record["time_ns"], self.pid, record["tid"], record["func"],
                                 block.addr if block else addr, block.size if block else size,
                                 old.addr if old else 0, old.size if old else 0, stack))

    def _bury(self, block, record, end, temporary=False):
        block.died_ns, block.end, block.freed_by = record["time_ns"], end, record["tid"]
        block.temporary = temporary and self.newest.get(block.tid) is block
        self.size -= block.size
        self._note("replaced" if end == "replaced" else "free", record, block)

    def free(self, record):
        block = self.live.pop(record["addr"], None)
        if record["flags"] & REALLOC:
            self.moving[record["tid"]] = block
        elif block:
            self._bury(block, record, "freed", temporary=True)
        else:
            self._note("unknown_free", record, addr=record["addr"])

    def alloc(self, record):
        of_realloc = record["flags"] & REALLOC
        old = self.moving.pop(record["tid"], None) if of_realloc else None
        if not record["addr"] and (record["bytes"] or not of_realloc):
            if old:
                self.live[old.addr] = old
            self._note("failed", record, size=record["bytes"], old=old, stack=record["stack"])
            return
        if old:
            # One that moves a block is no end of it; realloc(p, 0) is.
            self._bury(old, record, "freed", temporary=not record["addr"])
        if record["addr"]:
            self._take_in(Block(record), record, old)

    def _take_in(self, block, record, old):
        if block.addr in self.live:
            self._bury(self.live[block.addr], record, "replaced")
        self.live[block.addr] = self.newest[block.tid] = block
        self.blocks.append(block)
        self.size += block.size
        if self.size > self.peak_bytes:
            self.peak_bytes, self.peak_ns = self.size, record["time_ns"]
        self._note("alloc", record, block, old=old, stack=record["stack"])


class Recording:
    """The heaps of a recording: processes in the order of their beginnings."""

    def __init__(self, records):
        self.processes, self.modules, self.strings, self.symbols = [], [], {0: None}, {}
        self.stacks, self.functions, self.nr_lost = {0: NO_STACK}, dict(FUNCTIONS), 0
        self.named = {}  # frames that were asked for, by the stack's id
        self.by_pid = {}
        for record in records:
            handler = getattr(self, "_" + str(record["type"]).lower(), None)
            if handler:
                handler(record)

    def _process(self, record):
        """The living process of a record; None: it is over."""
        pid = record["pid"]
        if pid not in self.by_pid:
            self._begin(Process(pid))
        process = self.by_pid[pid]
        return process if process.ended_ns is None else None

    def _begin(self, process):
        self.by_pid[process.pid] = process
        self.processes.append(process)

    def _target(self, record):
        self._process(record)

    def _module(self, record):
        self.modules.append(record)

    def _mapping(self, record):
        self._process(record).mappings.append(record)

    def _string(self, record):
        self.strings[record["id"]] = record["text"].decode(errors="replace")

    def _symbol(self, record):
        self.symbols[record["module"], record["vaddr"]] = record["frames"]

    def _function(self, record):
        self.functions[record["func"]] = record["symbol"].decode(), record["family"].decode()

    def _lost(self, record):
        self.nr_lost += record["events"]

    def _stack(self, record):
        places, cut = [], bool(record["flags"] & CUT)
        for address in record["frames"]:
            at = [m for m in self._process(record).mappings if m["start"] < address <= m["end"]]
            if not at and places:
                cut = True  # no code is there: neither it nor what is behind it is a frame
                break
            places.append((at[-1]["module"], address - at[-1]["start"] + at[-1]["vaddr"])
                          if at else (None, address))
        self.stacks[record["id"]] = Stack(tuple(places), cut)

    def _fork(self, record):
        parent = None if record["flags"] & EMPTY else self._process(record)
        if parent and parent.live:
            self._tell(record, "fork", record["child"])
        self._begin(Process(record["child"], parent, record["time_ns"]))

    def _exec(self, record):
        self._process(record).exec()
        self._tell(record, "exec")

    def _tell(self, record, kind, tid=None):
        pid = record["pid"]
        self.by_pid[pid].events.append(
            Event(kind, record["time_ns"], pid, tid or pid, None, 0, 0, 0, 0, None))

    def _end(self, record):
        if record["pid"] and self._process(record):
            self.by_pid[record["pid"]].ended_ns = record["time_ns"]
            self._tell(record, "end")

    def _alloc(self, record):
        if self._process(record):
            self._process(record).alloc(record)

    def _free(self, record):
        if self._process(record):
            self._process(record).free(record)

    def frames(self, stack):
        """The frames of a stack by its id, with names, and those that were inlined. After the last
        record, for names come late."""
        if stack in self.named:
            return self.named[stack]
        frames = []
        for module, offset in self.stacks[stack].frames:
            names = self.symbols.get((module, offset), [(0, 0, 0)])
            path = None if module is None else self.modules[module]["path"].decode()
            frames += [Frame(self.strings[function], self.strings[file], line or None, path, offset,
                             number + 1 < len(names))
                       for number, (function, file, line) in enumerate(names)]
        self.named[stack] = tuple(frames)
        return self.named[stack]

    def site(self, block):
        """What heaptap tells call sites apart by: (family, cut, frames)."""
        return (self.functions[block.func][1], self.stacks[block.stack].cut,
                self.frames(block.stack))


def amount(blocks):
    """(bytes, blocks)"""
    return sum(block.size for block in blocks), len(blocks)

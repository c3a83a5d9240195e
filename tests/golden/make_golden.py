#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes the golden recordings: make_golden.py [DIRECTORY]. README.md tells what happens in them.

Always the same bytes: no clock, no chance, and no compressor, whose output depends on its version.
"""
import calendar
import io
import os
import sys

import htap_format

SECOND = 10**9
MS = 10**6
GIB = 1 << 30
MIB = 1 << 20
# The moment the recordings begin, in both clocks.
START = 5000 * SECOND
WALL = calendar.timegm((2026, 1, 31, 12, 0, 0)) * SECOND

# Numbers of bpf/alloc_api.h, and two of the user's.
MALLOC, CALLOC, REALLOC, FREE, POSIX_MEMALIGN, NEW, DELETE = 1, 2, 3, 5, 6, 96, 104
POOL_GET, POOL_PUT = 1024, 1025

GATEWAY, CONF, LIBC = 0, 1, 2
BUILD_IDS = [bytes(range(1, 21)), bytes(range(101, 117)), b""]
# First and last address of each module's code, as linked.
CODE = [(0x1000, 0x5000), (0x1000, 0x3000), (0x26000, 0x1A0000)]

# What differs between a machine of 64 bits and one of 32.
WORDS = {
    8: {"bases": [0x555555554000, 0x7FFFF7C00000, 0x7FFFF7D80000], "heap": 0x5555555A0000,
        "mapped": 0x7FF000000000, "huge": 0x7FE000000000,
        "paths": [b"/usr/bin/gateway", b"/usr/lib/x86_64-linux-gnu/libconf.so.2",
                  b"/usr/lib/x86_64-linux-gnu/libc.so.6"]},
    4: {"bases": [0x00400000, 0x77D00000, 0x77E00000], "heap": 0x00A00000, "mapped": 0x10000000,
        "huge": 0x20000000,
        "paths": [b"/usr/sbin/gateway", b"/lib/libconf.so.2", b"/lib/libc.so.6"]},
}

# name: (module, return address as linked, [(function, file, line)], innermost first; [] no names).
PLACES = {
    "_start": (GATEWAY, 0x1100, [(b"_start", None, 0)]),
    "main": (GATEWAY, 0x1480, [(b"main", b"/src/gateway/gateway.c", 120)]),
    "serve": (GATEWAY, 0x1700, [(b"serve", b"/src/gateway/gateway.c", 88)]),
    "session": (GATEWAY, 0x1600, [(b"session_open", b"/src/gateway/session.c", 41)]),
    "parse": (GATEWAY, 0x1850, [(b"json_string", b"/src/gateway/json.h", 77),
                                (b"json_value", b"/src/gateway/json.h", 130),
                                (b"parse_request", b"/src/gateway/parse.c", 52)]),
    "cache": (GATEWAY, 0x1900, [(b"cache_put", b"/src/gateway/cache.c", 33)]),
    "walk": (GATEWAY, 0x1A00, [(b"tree_walk", b"/src/gateway/tree.c", 27)]),
    "leaf": (GATEWAY, 0x1A40, [(b"tree_walk", b"/src/gateway/tree.c", 19)]),
    "load": (GATEWAY, 0x1C00, [(b"load_file", b"/src/gateway/file.c", 64)]),
    "log": (GATEWAY, 0x2000, [(b"log_line", b"/src/gateway/log.c", 15)]),
    "worker": (GATEWAY, 0x2200, [(b"worker_main", b"/src/gateway/worker.c", 60)]),
    "vector": (GATEWAY, 0x2400, [
        (b"std::vector<int, std::allocator<int> >::push_back(int&&)",
         b"/usr/include/c++/12/bits/stl_vector.h", 1296)]),
    "evil": (GATEWAY, 0x2600, [(b"evil\x1b[31m;\"name\"\nLeak sum=1 'x' <b>&amp;",
                                b"/src/we\"ird;dir/\x07bell\\.c", 9)]),
    "latin1": (GATEWAY, 0x2680, [(b"caf\xe9_na\xefve", b"/src/caf\xe9.c", 3)]),
    "umlaut": (GATEWAY, 0x2700, [("größe_ändern".encode(), "/src/größe.c".encode(), 12)]),
    "nameless": (GATEWAY, 0x2800, []),
    "misuse": (GATEWAY, 0x2900, [(b"misuse", b"/src/gateway/misuse.c", 10)]),
    "pool": (GATEWAY, 0x2A00, [(b"pool_user", b"/src/gateway/pool.c", 70)]),
    "conf": (CONF, 0x1210, [(b"conf_set", b"/src/libconf/conf.c", 210)]),
    "conf_grow": (CONF, 0x1300, [(b"conf_grow", b"/src/libconf/conf.c", 155)]),
    "libc_start": (LIBC, 0x27305, [(b"__libc_start_main", None, 0)]),
    "start_thread": (LIBC, 0x89044, [(b"start_thread", None, 0)]),
}
OUTER = "main libc_start _start"
# Stacks by id, from 1: names of places; numbers are addresses where nothing is mapped.
STACKS = {
    "session": "session serve " + OUTER,
    "parse": "parse serve " + OUTER,
    "cache": "cache serve " + OUTER,
    "tree": "leaf walk walk walk walk walk " + OUTER,
    "tree_short": "leaf walk " + OUTER,
    "load": "load " + OUTER,
    "log": "log worker start_thread",
    "worker": "worker start_thread",
    "vector": "vector worker start_thread",
    "evil": "evil " + OUTER,
    "latin1": "latin1 umlaut " + OUTER,
    "nameless": "nameless " + OUTER,
    "misuse": "misuse " + OUTER,
    "pool": "pool " + OUTER,
    "conf": "conf " + OUTER,
    "conf_grow": "conf_grow conf " + OUTER,
    "cut": "session",
    "empty": "",
    "generated": "nameless 0x1230 " + OUTER,
}
CUT = {"cut"}


class Story:
    """Records of what happens, at the time it is told to happen at."""

    build_ids = BUILD_IDS

    def __init__(self, writer, word, pid, cmdline, launched=True):
        self.writer, self.word, self.pid = writer, word, pid
        self.now = START
        self.first_tid = pid
        self.free_at = {}  # size class: addresses
        self.brk = WORDS[word]["heap"]
        self.mapped = WORDS[word]["mapped"]
        self.size_at = {}
        self.stacks = {}
        self.target(pid, cmdline, launched)
        for module in range(3):
            self.put("MODULE", pid=pid, id=module, build_id=self.build_ids[module],
                     path=WORDS[word]["paths"][module], flags=module == LIBC)
            self.map(pid, module)

    def put(self, kind, pid=None, **fields):
        self.writer.add({"type": kind, "pid": self.pid if pid is None else pid, **fields})

    def at(self, seconds, thousandths=0):
        """Goes on to a time after the start."""
        now = START + seconds * SECOND + thousandths * MS
        assert now >= self.now, (seconds, thousandths)
        self.now = now

    def tick(self):
        self.now += 1700
        return self.now

    def target(self, pid, cmdline, launched):
        self.put("TARGET", pid=pid, started_ns=WALL - 20 * MS + self.now - START,
                 attached_ns=self.now, exe=WORDS[self.word]["paths"][GATEWAY], cmdline=cmdline,
                 flags=int(launched))

    def map(self, pid, module):
        base, (first, last) = WORDS[self.word]["bases"][module], CODE[module]
        self.put("MAPPING", pid=pid, time_ns=self.now, start=base + first, end=base + last,
                 vaddr=first, module=module)

    def place(self, name):
        """As in PLACES."""
        return PLACES[name]

    def frame(self, place):
        if place.startswith("0x"):
            return int(place, 16)
        module, vaddr, _ = self.place(place)
        return WORDS[self.word]["bases"][module] + vaddr

    def stack(self, name, pid):
        """The id of a stack, which is told when it is first met."""
        if name is None:
            return 0
        if name not in self.stacks:
            self.stacks[name] = len(self.stacks) + 1
            self.put("STACK", pid=pid, time_ns=self.now, id=self.stacks[name],
                     flags=int(name in CUT),
                     frames=[self.frame(place) for place in STACKS[name].split()])
        return self.stacks[name]

    def take(self, size):
        """An address, the last freed one of that size first."""
        if size >= MIB:
            self.mapped += 0x200000
            return self.mapped
        rounded = max(32, size + 8 + 15 & ~15)
        if self.free_at.get(rounded):
            addr = self.free_at[rounded].pop()
        else:
            addr = self.brk
            self.brk += rounded
        self.size_at[addr] = rounded
        return addr

    def give(self, addr):
        if addr in self.size_at:
            self.free_at.setdefault(self.size_at.pop(addr), []).append(addr)

    def alloc(self, size, stack, tid=0, func=MALLOC, addr=None, flags=0, pid=None):
        """An allocation; its address."""
        pid = pid or self.pid
        if addr is None:
            addr = self.take(size)
        self.tick()
        stack = self.stack(stack, pid)
        self.put("ALLOC", pid=pid, time_ns=self.now, addr=addr, bytes=size, tid=tid or pid,
                 stack=stack, func=func, flags=flags)
        return addr

    def free(self, addr, tid=0, func=FREE, flags=0, pid=None):
        pid = pid or self.pid
        self.put("FREE", pid=pid, time_ns=self.tick(), addr=addr, tid=tid or pid, func=func,
                 flags=flags)
        if not flags:
            self.give(addr)

    def realloc(self, addr, size, stack, tid=0, moved=True, fails=False, pid=None):
        """A realloc of a block; where it is then."""
        self.free(addr, tid, REALLOC, flags=1, pid=pid)
        to = 0 if fails or not size else addr
        if to and moved:
            to = self.take(size)
        self.alloc(size, stack, tid, REALLOC, to, flags=1, pid=pid)
        if to != addr and not fails:
            self.give(addr)
        return addr if fails else to

    def end(self, pid, status):
        self.put("END", pid=pid, time_ns=self.tick(), reason=2, status=status)

    def names(self):
        """The end of the recording, and the names of all places."""
        self.put("END", pid=0, time_ns=self.tick(), reason=1, status=0)
        ids = {None: 0}

        def string(text):
            if text not in ids:
                ids[text] = len(ids)
                self.put("STRING", pid=0, id=ids[text], text=text)
            return ids[text]

        for module, vaddr, names in map(self.place, PLACES):
            if names:
                frames = [(string(function), string(file), line)
                          for function, file, line in names]
                self.put("SYMBOL", pid=0, vaddr=vaddr, module=module, frames=frames)


MAIN, WORKER, LOGGER = 4242, 4243, 4244


def begin(story):
    """The first second: configuration, which is kept."""
    story.put("FUNCTION", pid=0, func=POOL_GET, family=b"pool", symbol=b"pool_get")
    story.put("FUNCTION", pid=0, func=POOL_PUT, family=b"pool", symbol=b"pool_put")
    story.put("MEMORY", time_ns=story.now, anonymous_bytes=3 * MIB, stack_bytes=132 << 10)
    story.at(0, 1)
    conf = story.alloc(256, "conf", func=CALLOC)
    for size in (512, 1024, 2048, 4096):
        # Every other time there is room behind it.
        conf = story.realloc(conf, size, "conf_grow", moved=size in (512, 2048))
    story.at(0, 10)
    story.alloc(4096, "conf", func=POSIX_MEMALIGN)
    return conf


def every_second(story, second, cache, lines):
    """What a server does: a session that leaks, requests, a cache, a log."""
    story.at(second)
    story.alloc(1024, "session")
    for i in range(3):
        story.free(story.alloc(48 + 16 * ((second + i) % 5), "parse"))
    # Freed, but not before its thread's next allocation.
    first, last = story.alloc(80, "parse"), story.alloc(96, "parse")
    story.free(first)
    story.free(last)
    cache.append(story.alloc(4096, "cache"))
    if len(cache) > 30:
        story.free(cache.pop(0))
    vector = story.alloc(4, "vector", WORKER, NEW)
    for size in (8, 16):
        bigger = story.alloc(size, "vector", WORKER, NEW)
        story.free(vector, WORKER, DELETE)
        vector = bigger
    story.free(vector, WORKER, DELETE)
    if second % 10 == 0:
        lines.append(story.alloc(200, "log", LOGGER))
    if lines:
        story.at(second, 2)
        story.free(lines.pop(), WORKER)  # another thread's


def tree(story):
    nodes = [story.alloc(48, "tree_short")] + [story.alloc(48, "tree") for _ in range(5)]
    story.free(nodes[2])
    story.free(nodes[4])


def peak(story):
    """For two seconds more than ever before and after."""
    story.at(90, 100)
    blocks = [story.alloc(MIB, "load") for _ in range(20)]
    huge = story.alloc(5 * GIB + 1, "load", addr=WORDS[story.word]["huge"])
    story.at(90, 900)
    story.free(huge)
    for block in blocks:
        story.free(block)


def failures(story, conf):
    story.at(110, 100)
    story.alloc(3 * GIB, "load", addr=0)
    story.alloc(6 * GIB, "load", func=CALLOC, addr=0)
    story.realloc(conf, 4 * GIB + 4096, "conf_grow", fails=True)
    doomed = story.alloc(72, "conf")
    story.realloc(doomed, 0, "conf_grow")  # realloc(p, 0), which frees


def misuse(story):
    story.at(120, 100)
    twice = story.alloc(56, "misuse")
    story.free(twice)
    story.free(twice)
    story.free_at[64].remove(twice)  # it was given back twice
    story.at(120, 200)
    story.free(story.brk + 0x100008)  # never allocated
    story.at(120, 300)
    story.free(story.alloc(40, "misuse", func=NEW), func=FREE)
    story.free(story.alloc(40, "misuse"), func=DELETE)
    story.free(story.alloc(24, "misuse", func=MALLOC), func=POOL_PUT)


def names_and_stacks(story):
    """Blocks that stay, from places of all kinds."""
    story.at(130, 100)
    for size, stack in ((100, "evil"), (50, "latin1"), (30, "nameless"), (20, "cut"),
                        (10, "empty"), (5, None), (70, "generated")):
        story.alloc(size, stack)
    story.alloc(0, "misuse")
    story.free(story.alloc(0, "misuse"))


def pool(story):
    story.at(140, 100)
    got = [story.alloc(128, "pool", func=POOL_GET) for _ in range(3)]
    story.free(got[1], func=POOL_PUT)


def loss(story):
    story.at(150, 100)
    block = story.alloc(600, "session")
    story.put("LOST", pid=0, time_ns=story.tick(), events=7)
    story.alloc(600, "session", addr=block)  # its free was among them


def one_process(writer, word):
    """le64, be64, le32, be32."""
    story = Story(writer, word, MAIN, b"gateway\0--port\0008080\0")
    cache, lines = [], []
    conf = begin(story)
    moments = {60: tree, 90: peak, 110: lambda s: failures(s, conf), 120: misuse,
               130: names_and_stacks, 140: pool, 150: loss}
    for second in range(1, 181):
        every_second(story, second, cache, lines)
        if second in moments:
            moments[second](story)
        if second % 60 == 0:
            story.put("MEMORY", time_ns=story.tick(), stack_bytes=132 << 10,
                      anonymous_bytes=3 * MIB + second * 1400)
        if second % 30 == 0:
            writer.add({"type": 200, "pid": MAIN, "body": b"for some later version  "})
            writer.flush()
    story.at(181)
    for block in cache:
        story.free(block)
    story.end(MAIN, 0)
    story.names()


def processes(writer, word):
    """processes.htap: a shell and its children."""
    shell, child, vforked, idle = 5000, 5001, 5002, 5003
    story = Story(writer, word, shell, b"shell\0-c\0./job; ./crash\0")
    story.at(0, 5)
    blocks = [story.alloc(100 + i, "conf") for i in range(10)]
    line = story.alloc(64, "parse")
    story.at(1)
    # Its realloc has begun when another thread of it forks: in the child the block is as before.
    story.free(line, shell + 50, REALLOC, flags=1)
    story.put("FORK", time_ns=story.tick(), child=child, flags=0)
    story.alloc(128, "parse", shell + 50, REALLOC, story.take(128), flags=1)
    story.target(child, b"shell\0-c\0./job; ./crash\0", False)
    writer.flush()
    story.at(2)
    for block in blocks[:3]:
        story.free(block, pid=child)
    story.alloc(2000, "cache", pid=child)
    story.free(story.alloc(300, "parse", pid=child), pid=child)
    story.alloc(700, "session", pid=child, tid=child + 1000)
    story.at(3)
    story.put("FORK", time_ns=story.tick(), child=vforked, flags=1)
    story.at(3, 1)
    story.put("EXEC", pid=vforked, time_ns=story.tick())
    story.target(vforked, b"./crash\0now\0", False)
    for module in range(3):
        story.map(vforked, module)
    for i in range(1, 6):
        story.alloc(i * 1000, "tree", pid=vforked)
    story.at(4)
    story.end(child, 1 << 8)
    story.free(blocks[5], pid=child)  # too late to count
    story.end(vforked, 11)
    writer.flush()
    story.at(5)
    story.put("FORK", time_ns=story.tick(), child=idle, flags=0)
    story.target(idle, b"shell: idle\0", False)
    story.end(idle, 0)
    # A pid that has been there before, as another process.
    story.at(6)
    story.put("FORK", time_ns=story.tick(), child=child, flags=0)
    story.free(blocks[9], pid=child)
    story.alloc(40, "evil", pid=child)
    story.at(7)
    for block in blocks[:5]:
        story.free(block)
    story.end(child, 0)
    story.end(shell, 3 << 8)
    story.names()


class Rebuilt(Story):
    """The gateway's next version: all its code and the lines of session.c have moved."""

    build_ids = [bytes(range(21, 41)), *BUILD_IDS[1:]]

    def place(self, name):
        module, vaddr, names = PLACES[name]
        return module, vaddr + (0x30 if module == GATEWAY else 0), [
            (function, file, line + 3 if file == b"/src/gateway/session.c" else line)
            for function, file, line in names]


def later(writer, word):
    """later.htap: the next version of the program, which leaks more, and elsewhere, too."""
    story = Rebuilt(writer, word, 4343, b"gateway\0--port\0008080\0")
    begin(story)
    for second in range(1, 201):
        story.at(second)
        story.alloc(1024, "session")
    for _ in range(3):
        story.alloc(200, "log", 4345)
    for stack in ("tree_short", *["tree"] * 5):
        story.alloc(48, stack)
    story.alloc(100, "evil")
    story.at(201)
    story.end(story.pid, 0)
    story.names()


# name: (story, byte order, address size, codec).
RECORDINGS = {
    "le64.htap": (one_process, "<", 8, htap_format.PACKED),
    "be32.htap": (one_process, ">", 4, htap_format.PACKED),
    "le32.htap": (one_process, "<", 4, htap_format.PACKED),
    "be64.htap": (one_process, ">", 8, htap_format.PACKED),
    "processes.htap": (processes, "<", 8, htap_format.STORED),
    "later.htap": (later, "<", 8, htap_format.PACKED),
}


def make(name):
    """The bytes of a recording."""
    tell, order, word, codec = RECORDINGS[name]
    file = io.BytesIO()
    writer = htap_format.Writer(file, order, word, codec, START, WALL,
                                deflate=htap_format.stored_deflate)
    tell(writer, word)
    writer.close()
    return file.getvalue()


def main():
    directory = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    for name in RECORDINGS:
        with open(os.path.join(directory, name), "wb") as file:
            file.write(make(name))


if __name__ == "__main__":
    main()

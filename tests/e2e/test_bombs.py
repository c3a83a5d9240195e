#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Small recordings that describe more than any machine holds, or take for ever to look through:
bounded memory, bounded time, and a sentence."""
import os
import struct
import subprocess
import sys
import zlib

from htap import HEAPTAP, ROOT, check, has, main, same, scratch, temp, test

sys.path.insert(0, os.path.join(ROOT, "tests", "golden"))
import htap_format  # noqa: E402

START = 5000 * 10**9
LIMIT_MIB = 32
# A report is made of what was read, and takes more than that: a tree has a node for each frame.
MOST_MIB = 8 * LIMIT_MIB
SOON = 60


def encode(kind, pid=7, **fields):
    return htap_format.encode({"type": kind, "pid": pid, **fields}, "<")


def alloc(number, pid=7, tid=7, stack=0):
    return struct.pack("<HHIQQQIIHHI", 1, 48, pid, START + number, 4096 + 64 * number, 10, tid, stack,
                       1, 0, 0)


def target(pid=7, cmdline=b"x"):
    return encode("TARGET", pid, started_ns=START, attached_ns=START, flags=1, exe=b"/bin/x",
                  cmdline=cmdline)


def write(path, records):
    ends = [encode("END", pid, time_ns=START + 10**12, reason=2, status=0) for pid in (7, 0)]
    with open(path, "wb") as file:
        file.write(htap_format.header("<", 8, START, 1769860800 * 10**9))
        raw = bytearray()
        for record in [target(), *records, *ends]:
            if len(raw) + len(record) > htap_format.MAX_RAW:
                write_block(file, bytes(raw))
                raw.clear()
            raw += record
        write_block(file, bytes(raw))


def recording(bomb):
    """The path of a recording of these records, bytes. Made by a child: what a process starts is said
    to have had the memory of its parent."""
    path = temp(".htap")
    pid = os.fork()
    if not pid:
        try:
            write(path, bomb())
            os._exit(0)
        finally:
            os._exit(1)
    same(os.waitpid(pid, 0)[1], 0, f"making of {bomb.__name__}")
    return path


def write_block(file, raw):
    stored, codec = zlib.compress(raw, 1), htap_format.ZLIB
    if len(stored) >= len(raw):
        stored, codec = raw, htap_format.STORED
    head = struct.pack("<IIII", htap_format.BLOCK_MAGIC, len(raw), len(stored), codec)
    file.write(head + struct.pack("<Q", htap_format.checksum(head + stored)) + stored)


# ---- bombs ----------------------------------------------------------------------------------


def strings():
    for number in range(1, 6000):
        yield encode("STRING", 0, id=number, text=(b"%d " % number).ljust(16376, b"x"))


def modules():
    for number in range(15000):
        yield encode("MODULE", id=number, flags=0, path=(b"/%d" % number).ljust(4000, b"x"),
                     build_id=b"")


def symbols():
    yield encode("MODULE", id=0, flags=0, path=b"/bin/x", build_id=b"")
    yield encode("STRING", 0, id=1, text=b"f")
    frames = struct.pack("<III4x", 1, 1, 1) * 64
    for number in range(60000):
        yield struct.pack("<HHIQII", 22, 24 + len(frames), 0, number, 0, 64) + frames


def program():
    """Everything is code of it."""
    yield encode("MODULE", id=0, flags=0, path=b"/bin/x", build_id=b"")
    yield struct.pack("<HHIQQQQII", 19, 48, 7, START, 4096, 1 << 40, 4096, 0, 0)


def stacks():
    yield from program()
    for number in range(1, 60000):
        yield struct.pack("<HHIQIHH127Q", 16, 24 + 127 * 8, 7, START, number, 127, 0,
                          *range(number * 1000 + 5000, number * 1000 + 5127))
        yield alloc(number, stack=number)


def pids():
    for number in range(1, 40000):
        yield target(number, (b"%d " % number).ljust(4000, b"x"))
        yield alloc(number, pid=number)


def forks():
    for number in range(50000):
        yield alloc(number)
    for child in range(1000, 20000):
        yield encode("FORK", time_ns=START + 10**6, child=child, flags=0)


def blocks():
    for number in range(800000):
        yield alloc(number)


def mappings():
    yield encode("MODULE", id=0, flags=0, path=b"/bin/x", build_id=b"")
    for number in range(1, 1000000):
        yield struct.pack("<HHIQQQQII", 19, 48, 7, START, number * 8192, number * 8192 + 4096, 0, 0, 0)


def mappings_over_each_other():
    """That never fit in one another's place: a search for any address would look at all."""
    yield encode("MODULE", id=0, flags=0, path=b"/bin/x", build_id=b"")
    for number in range(1, 200000):
        yield struct.pack("<HHIQQQQII", 19, 48, 7, START + number, 8192, 32768 + 4096 * (number % 2),
                          4096 * number, 0, 0)


def stacks_apart():
    """All from different outermost callers: one node of the tree has them all as its children."""
    yield from program()
    for number in range(1, 30000):
        yield struct.pack("<HHIQIHH2Q", 16, 40, 7, START, number, 2, 0, 5000, 5000 + number)
        yield alloc(number, stack=number)


def functions():
    """With names of all that fits in a record."""
    for number in range(1024, 2000):
        yield encode("FUNCTION", 0, func=number, family=b"f%d" % number,
                     symbol=(b"_Z%d" % number).ljust(8000, b"x"))
        yield struct.pack("<HHIQQQIIHHI", 1, 48, 7, START, 64 * number, 10, 7, 0, number, 0, 0)


# ---- and what becomes of them ---------------------------------------------------------------


def look(words, path):
    """(status, MiB of memory at most, standard error) of heaptap at a recording; killed when it is
    not done soon."""
    errors = temp()
    with open(os.devnull, "wb") as out, open(errors, "wb") as err:
        process = subprocess.Popen(
            ["timeout", "-s", "KILL", str(SOON), HEAPTAP, *words, "--memory-limit", f"{LIMIT_MIB}M",
             path], stdout=out, stderr=err, cwd=scratch())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    with open(errors, encoding="utf-8") as file:
        return process.returncode, usage.ru_maxrss >> 10, file.read()


def bounded(bomb, *views):
    """Every view stops reading, says so, and stays within bounds."""
    path = recording(bomb)
    size_mib = os.path.getsize(path) / 2**20
    check(size_mib < 16, f"{bomb.__name__} is no small file: {size_mib} MiB")
    for view in views:
        status, mib, said = look(view.split(), path)
        what = f"{view} of {bomb.__name__}: status {status}, {mib} MiB, {said}"
        check(status == 1 and mib < MOST_MIB, what)
        has(said, r"takes more memory to follow than the 32 MiB allowed; .*--memory-limit", what)
    os.unlink(path)


def soon(bomb, *views):
    """Every view shows all there is, and soon."""
    path = recording(bomb)
    for view in views:
        status, mib, said = look(view.split(), path)
        check(status == 0 and mib < MOST_MIB, f"{view} of {bomb.__name__}: {status}, {mib} MiB, {said}")
    os.unlink(path)


@test("names of all kinds, more than there is room for")
def _():
    bounded(strings, "leaks", "export -f csv")
    bounded(symbols, "leaks", "export -f csv", "symbolize -o named.htap")
    bounded(modules, "leaks", "timeline")


@test("stacks, blocks and mappings, more than there is room for")
def _():
    bounded(stacks, "leaks", "tree", "misuse", "export -f folded")
    bounded(blocks, "leaks", "sites", "threads")
    bounded(mappings, "leaks")


@test("processes, and forks of a large heap, more than there is room for")
def _():
    bounded(pids, "leaks", "sizes")
    bounded(forks, "leaks", "timeline", "tree --format cjdns")


@test("what takes for ever to look through does not")
def _():
    soon(mappings_over_each_other, "leaks", "export -f pprof")
    soon(stacks_apart, "tree", "tree --json", "leaks")
    soon(functions, "misuse", "export -f csv")


if __name__ == "__main__":
    main(watching=False)

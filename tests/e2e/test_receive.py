#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""heaptap receive, and streams of libdumpalloc: made here as it makes them, read by every way in."""
import contextlib
import glob
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time

from htap import (HEAPTAP, TIMEOUT, build, check, finish, has, heaptap, leaks, main, run, same, started,
                  temp, terminal, test, wait_for)


class Stream:
    """A stream of libdumpalloc: order is < or >; twice: the second end of a stack x86-64 sends."""

    def __init__(self, pid=4242, argv="./prog", order="<", twice=False, time_s=1000):
        self.order, self.twice, self.time_s = order, twice, time_s
        self.data = bytearray(self._pack("iQI", 0, time_s, pid) + self._text(argv))

    def _pack(self, layout, *values):
        return struct.pack(self.order + layout, *values)

    def _text(self, text):
        return self._pack("I", len(text)) + text.encode()

    def object(self, bias, path):
        self.data += self._pack("iQQ", 3, self.time_s, bias) + self._text(path)
        return self

    def alloc(self, addr, size, *frames):
        ends = [0, 0] if self.twice else [0]
        self.data += self._pack("iQQI", 1, self.time_s, addr, size & 0xffffffff)
        self.data += b"".join(self._pack("Q", frame) for frame in [*frames, *ends])
        return self

    def free(self, addr):
        self.data += self._pack("iQQ", 2, self.time_s, addr)
        return self

    def many(self, nr):
        """nr blocks of 10 bytes, half of them freed."""
        for i in range(nr):
            self.alloc(0x100000 + 64 * i, 10, 0x401000 + i % 7, 0x402000)
            if i % 2:
                self.free(0x100000 + 64 * i)
        return self


def report_on(data, *options, status=0):
    path = temp(".dump")
    with open(path, "wb") as file:
        file.write(data)
    return leaks(*options, path, status=status)


def summary(report, *names):
    return tuple(report.summary[name] for name in names)


# ---- reading a stream -----------------------------------------------------------------------


@test("a stream of libdumpalloc is known by its beginning, of either byte order")
def _():
    for order in "<>":
        for twice in (False, True):
            data = Stream(order=order, twice=twice).many(100).alloc(0, 5).free(0x99).data
            report = report_on(data)
            same(summary(report, "allocations", "frees", "leaked_blocks", "leaked_bytes",
                         "failed_allocations", "unknown_frees", "lost_events"),
                 (100, 50, 50, 500, 1, 1, 0), f"summary, {order} {twice}")
            same((report.json["target"]["pid"], report.json["target"]["exe"]), (4242, "./prog"),
                 "target")


@test("it can be piped, and --from says what it is")
def _():
    data = Stream().many(10).data
    for words in ((), ("--from", "dumpalloc")):
        has(heaptap("leaks", *words, "-", data=data).expect(0).stdout, "Live: 50 bytes in 5 blocks",
            "report")
    done = heaptap("leaks", "--from", "htap", "-", data=data).expect(1)
    has(done.stderr, "standard input is not a heaptap recording", "stderr")
    done = heaptap("leaks", "--from", "dumpalloc", "-", data=b"x" * 100).expect(1)
    has(done.stderr, "standard input is no stream of libdumpalloc", "stderr")
    heaptap("leaks", "--from", "dumpalloc", "--", "true").expect(2)


@test("it comes bit by bit through a pipe, as long as somebody writes it")
def _():
    data = Stream().many(30).data
    with started([HEAPTAP, "leaks", "-"]) as reader:
        for at in range(0, len(data), 37):
            reader.stdin.write(data[at:at + 37])
            reader.stdin.flush()
        same(reader.poll(), None, "it waits for more")
        has(finish(reader).expect(0).stdout, "Live: 150 bytes in 15 blocks", "report")


@test("cut in a record: what is before it is shown, status 1")
def _():
    whole = Stream().many(10).data
    report = report_on(whole[:-1], status=1)
    same(summary(report, "allocations", "frees"), (10, 4), "summary")
    has(report.done.stderr, r"ends in the middle of a record; what comes before that is shown\.",
        "stderr")


@test("names come from the device's files below --sysroot; without one, module and offset")
def _():
    program = build("x", "-no-pie", target="x-no-pie")
    code = run(["objdump", "-d", "--disassemble=main", program]).expect(0).stdout
    # Behind a call: without a build-id that is how the file is known to be the right one.
    returns_to = int(re.search(r"\bcall.*\n *(\w+):", code)[1], 16)
    data = (Stream(argv="/app/prog").object(0, "/app/prog").object(0x70000000, "/lib/gone.so")
            .alloc(0x5000, 24, 0x70001234, returns_to).data)
    root = temp()
    os.makedirs(f"{root}/app")
    shutil.copy(program, f"{root}/app/prog")
    frames = report_on(data, "--sysroot", root).leaks[0]["frames"]
    same([(f["function"], f["module"], f["offset"]) for f in frames],
         [(None, "/lib/gone.so", 0x1234), ("main", "/app/prog", returns_to)], "frames")


# ---- receiving ------------------------------------------------------------------------------


class Receiver:
    """A heaptap receive that listens, and the folder it fills."""

    def __init__(self, process, folder, log):
        self.process, self.folder, self._log = process, folder, log
        wait_for(lambda: process.poll() is not None or "Listening" in self.log(), "a listener")
        self.ports = [int(port) for port in re.findall(r":(\d+)(?= and|,|\. Ctrl)", self.log())]
        check(self.ports, f"it does not listen: {self.log()}")

    def log(self):
        with open(self._log) as file:
            return file.read()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.ports[0]), TIMEOUT)

    def send(self, data):
        with self.connect() as peer:
            peer.sendall(data)

    def files(self):
        return sorted(os.path.basename(path) for path in glob.glob(f"{self.folder}/*"))

    def wait_for_log(self, pattern, times=1):
        wait_for(lambda: len(re.findall(pattern, self.log())) >= times,
                 f"{times} of /{pattern}/ on stderr")

    def stop(self, sent=signal.SIGINT):
        """Ends it; returns its status as a shell shows it."""
        self.process.send_signal(sent)
        return self.end()

    def end(self):
        status = finish(self.process).status
        check(status == 0, f"status {status}: {self.log()}")
        return self.log()

    def report(self, name, status=0):
        return leaks(os.path.join(self.folder, name), status=status)


@contextlib.contextmanager
def receiver(*arguments, where=":0", folder=None):
    folder = folder or temp()
    os.makedirs(folder, exist_ok=True)
    log = temp(".log")
    with open(log, "w") as file, started([HEAPTAP, "receive", where, "-o", folder, *arguments],
                                         stderr=file) as process:
        yield Receiver(process, folder, log)


def is_read(peer):
    """Has all been read that a socket of ours has sent?"""
    with open("/proc/net/tcp") as file:
        rows = [line.split() for line in file][1:]
    return any(int(local.rpartition(":")[2], 16) == peer.getpeername()[1] and
               int(remote.rpartition(":")[2], 16) == peer.getsockname()[1] and
               int(queues.rpartition(":")[2], 16) == 0 for _, local, remote, _, queues, *_ in rows)


def listening():
    """{(address, port)} of all TCP sockets that listen, as the kernel shows them."""
    found = set()
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not os.path.exists(path):
            continue
        with open(path) as file:
            rows = [line.split() for line in file][1:]
        found |= {(a.rpartition(":")[0], int(a.rpartition(":")[2], 16))
                  for _, a, _, state, *_ in rows if state == "0A"}
    return found


@test("it listens for this machine only, unless told otherwise")
def _():
    own = {"0100007F", "00000000000000000000000001000000"}
    everybody = {"00000000", "0" * 32}
    for where, wanted in ((":0", own), ("localhost:0", own), ("127.0.0.1:0", {"0100007F"}),
                          ("*:0", everybody), ("0.0.0.0:0", {"00000000"})):
        with receiver(where=where) as it:
            found = {address for address, port in listening() if port in it.ports}
            check(found and found <= wanted, f"{where} listens at {found}")
            same("this machine only" in it.log(), wanted <= own, f"what is said of {where}")
            it.stop()


@test("a place it cannot listen at: a sentence")
def _():
    has(heaptap("receive").expect(2).stderr, r"wants to know where to listen: \[HOST\]:PORT", "stderr")
    has(heaptap("receive", "a:b").expect(2).stderr, "'a:b' is no place to listen at", "stderr")
    has(heaptap("receive", ":0", "--view", "x").expect(2).stderr, "no view 'x'", "stderr")
    has(heaptap("receive", ":0", "-o", "/no/such").expect(1).stderr,
        "/no/such cannot be opened: No such file", "stderr")
    with receiver() as it:
        done = heaptap("receive", f":{it.ports[0]}").expect(1)
        has(done.stderr, "Nobody can listen at .*: Address already in use", "stderr")
        it.stop()


@test("what heaptap record sends arrives as it was, and old streams as recordings")
def _():
    with receiver("--count", "2") as it:
        run(["bash", "-c", f"'{HEAPTAP}' record -o - -- '{build('x')}' "
             f">/dev/tcp/127.0.0.1/{it.ports[0]}"]).expect(0)
        it.wait_for_log("closed by its sender")
        it.send(Stream(order=">").many(20).data)
        log = it.end()
        has(log, r"To read the last: heaptap leaks \S+/prog\.4242\.htap \(--sysroot", "stderr")
        names = it.files()
        same(len(names), 2, f"number of files {names}")
        own = next(name for name in names if name.startswith("x."))
        has(heaptap("leaks", f"{it.folder}/{own}").expect(0).stdout,
            "Leak sum=40960 count=10 avg=4096", "report")
        same(summary(it.report("prog.4242.htap"), "allocations", "leaked_bytes"), (20, 100), "summary")
        for name in names:
            same(os.stat(f"{it.folder}/{name}").st_mode & 0o777, 0o600, f"mode of {name}")


@test("several senders at once, each in its own pace, one that never says a word")
def _():
    streams = [Stream(pid=100 + i, argv=f"prog{i}", order="<>"[i % 2]).many(50 + i).data
               for i in range(12)]
    with receiver() as it:
        silent = it.connect()
        peers = [it.connect() for _ in streams]
        for at in range(0, max(map(len, streams)), 401):
            for peer, data in zip(peers, streams):
                peer.sendall(data[at:at + 401])
        for peer in peers:
            peer.close()
        it.wait_for_log("closed by its sender", len(streams))
        same(it.files(), sorted(f"prog{i}.{100 + i}.htap" for i in range(12)), "files")
        for i in (0, 5, 11):
            same(summary(it.report(f"prog{i}.{100 + i}.htap"), "allocations"), (50 + i,), "summary")
        log = it.stop()
        has(log, "Nothing is kept of 0 bytes from 127.0.0.1:\\d+: the stream is empty", "stderr")
        silent.close()


@test("one that sends garbage, one that breaks off, one that is killed: others do not notice")
def _():
    data = Stream(pid=7).many(1000).data
    with receiver() as it:
        good = it.connect()
        good.sendall(data[:5000])
        for garbage in (b"GET / HTTP/1.1\r\n\r\n" * 100, bytes(100000), os.urandom(100000)):
            with contextlib.suppress(OSError):  # it hangs up
                it.send(garbage)
        it.wait_for_log("Nothing is kept", 3)
        broken = it.connect()
        broken.sendall(Stream(pid=8, argv="broken").many(10).data)
        # A reset takes with it what has not been read.
        wait_for(lambda: is_read(broken), "the receiver to read")
        broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        broken.close()  # with a reset
        it.wait_for_log("broken.8.htap: .* broken off: Connection reset")
        code = ("import socket, sys, time\n"
                "s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
                "s.sendall(sys.stdin.buffer.read()); print('sent', flush=True); time.sleep(99)")
        with subprocess.Popen(["python3", "-c", code, str(it.ports[0])], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as child:
            child.stdin.write(Stream(pid=9, argv="killed").many(10).data[:-3])
            child.stdin.close()
            child.stdout.readline()
            child.kill()
        it.wait_for_log("killed.9.htap: .* ends in the middle of a record")
        good.sendall(data[5000:])
        good.close()
        it.wait_for_log("prog.7.htap")
        same(summary(it.report("prog.7.htap"), "allocations", "frees"), (1000, 500), "the good one")
        same(summary(it.report("broken.8.htap"), "allocations", "frees"), (10, 5), "the broken one")
        same(summary(it.report("killed.9.htap", status=1), "allocations", "frees"), (10, 4),
             "the killed one")
        it.stop()
        same(it.files(), ["broken.8.htap", "killed.9.htap", "prog.7.htap"], "files")


@test("Ctrl-C, SIGTERM and -d end it; what has come is kept, and is whole")
def _():
    for how in (signal.SIGINT, signal.SIGTERM, None):
        with receiver(*([] if how else ["-d", "3"])) as it, it.connect() as peer:
            peer.sendall(Stream().many(100).data + b"\x02\x00")
            log = it.stop(how) if how else it.end()
            has(log, r"prog\.4242\.htap: \d+ bytes from .*; the stream was stopped here\.", "stderr")
            has(log, r"To read it: heaptap leaks \S+prog\.4242\.htap", "stderr")
            same(it.files(), ["prog.4242.htap"], "files")
            same(summary(it.report("prog.4242.htap"), "allocations", "frees"), (100, 50), "summary")


@test("files that are there stay; names come from strangers")
def _():
    folder = temp()
    os.makedirs(folder)
    with open(f"{folder}/prog.4242.htap", "w") as file:
        file.write("mine")
    with receiver("--count", "4", folder=folder) as it:
        for argv in ("prog", "prog", "../../x;\x1b[2J", "/"):
            it.send(Stream(argv=argv).many(4).data)
        it.end()
        same(it.files(), ["prog.4242.2.htap", "prog.4242.3.htap", "prog.4242.htap",
                          "receive.1.htap", "x___2J.4242.htap"], "files")
        with open(f"{folder}/prog.4242.htap") as file:
            same(file.read(), "mine", "the file that was there")
        check("\x1b" not in it.log(), "a control character reached the terminal")


@test("a full disk ends a stream, and what fitted is kept; the next one is received")
def _():
    disk = temp()
    os.mkdir(disk)
    run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", disk]).expect(0)
    try:
        with receiver(folder=disk) as it:
            large = Stream(argv="large")
            for i in range(60000):  # of no two alike
                large.alloc(0x100000 + i * i % 1000003 * 16, i * 7919 % 5000, i * i * 2654435761)
            with contextlib.suppress(OSError):  # it hangs up
                it.send(large.data)
            it.wait_for_log("large.4242.htap: .* cannot be written: No space left on device")
            kept = summary(it.report("large.4242.htap", status=1), "allocations")[0]
            check(kept > 1000, f"{kept} events were kept")
            os.unlink(f"{disk}/large.4242.htap")
            it.send(Stream(argv="small").many(10).data)
            it.wait_for_log("small.4242.htap: .* closed by its sender")
            it.stop()
            it.report("small.4242.htap")
    finally:
        run(["umount", "-l", disk]).expect(0)


@test("a stream that never ends is cut at --max-bytes")
def _():
    with receiver("--max-bytes", "64K") as it:
        with contextlib.suppress(OSError):  # it hangs up
            it.send(Stream().many(20000).data)
        it.wait_for_log("prog.4242.htap: 65536 bytes from .* is longer than --max-bytes allows")
        it.stop()
        check(summary(it.report("prog.4242.htap", status=1), "allocations")[0] > 500, "events")


@test("more than 64 streams at once are refused, and room is made again")
def _():
    with receiver() as it:
        peers = [it.connect() for _ in range(64)]
        for i, peer in enumerate(peers):
            peer.sendall(Stream(pid=1 + i).many(2).data)
        wait_for(lambda: len(it.files()) == 64, "64 files")
        with it.connect() as late:
            late.settimeout(TIMEOUT)
            same(late.recv(1), b"", "what the 65th hears")
        it.wait_for_log("is refused: 64 streams are being received already")
        peers.pop().close()
        it.wait_for_log("prog.64.htap")
        it.send(Stream(argv="next").many(2).data)
        it.wait_for_log("next.4242.htap")
        it.stop()
        for peer in peers:
            peer.close()
        same(len(it.files()), 65, "files")


@test("--view shows what was received")
def _():
    with receiver("--count", "1", "--view", "leaks") as it:
        it.send(Stream().object(0, "/app/prog").many(10).data)
        done = finish(it.process)
        has(done.expect(0).stdout, "Live: 50 bytes in 5 blocks", "stdout")


@test("a line on a terminal says how it goes")
def _():
    folder = temp()
    os.mkdir(folder)
    with terminal([HEAPTAP, "receive", ":0", "-o", folder]) as term:
        term.wait_for(r"Listening at .*:(\d+)")
        port = int(re.findall(r":(\d+)(?= and|,)", term.text)[0])
        with socket.create_connection(("127.0.0.1", port), TIMEOUT) as peer:
            peer.sendall(Stream().many(2).data)
            term.wait_for(r"1 streams \(0 idle\), 0 received, \d\d+ bytes; Ctrl-C ends it")
        term.wait_for(r"0 streams \(0 idle\), 1 received")
        term.type("\x03")
        same(term.end(), 0, "status")
        has(term.text, "To read it: heaptap leaks", "the terminal")


if __name__ == "__main__":
    main()

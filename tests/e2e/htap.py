# SPDX-License-Identifier: BSD-2-Clause
"""What the end-to-end tests share: finding and running heaptap, building workloads, TAP.

A test program is a file test_*.py of functions marked with @test, ending in main(). Environment:
O (the build directory, default build/ of the repository), HEAPTAP (the program, default
$O/heaptap), VERBOSE (anything: what is run goes to the output as diagnostics).
"""
import atexit
import contextlib
import functools
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUT = os.path.abspath(os.environ.get("O") or os.path.join(ROOT, "build"))
HEAPTAP = os.path.abspath(os.environ.get("HEAPTAP") or os.path.join(OUT, "heaptap"))
WORKLOADS = os.path.join(ROOT, "tests", "workloads")
BUILT = os.path.join(OUT, "e2e")
NOBODY = 65534
# What is still not done is taken to hang. The slowest step, the kernel's look at the programs for old
# kernels, takes 7 s of CPU time.
TIMEOUT = 180

# A shell starts its background jobs with SIGINT ignored, and everything below would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Frames are walked by frame pointer where there is no better way, so workloads have them. Every
# call into the allocator must stay a call.
CFLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-g", "-O1", "-fno-builtin",
          "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls"]
CXXFLAGS = ["-Wall", "-Wextra", "-g", "-O1", "-fno-omit-frame-pointer",
            "-fno-optimize-sibling-calls"]


# ---- TAP ------------------------------------------------------------------------------------


class Skip(Exception):
    """This machine cannot show what the test is about; the text says why."""


_tests = []


def test(name):
    """Marks a function as a test."""
    def mark(body):
        _tests.append((name, body))
        return body
    return mark


def note(text):
    """Prints diagnostics."""
    for line in str(text).rstrip("\n").split("\n"):
        print("# " + line, flush=True)


def check(condition, text):
    """Like assert, with a text that always says what was found."""
    if not condition:
        raise AssertionError(text)


def same(got, want, what):
    """Fails unless got == want; shows only the differing members of dictionaries."""
    if got == want:
        return
    if isinstance(got, dict) and isinstance(want, dict):
        keys = [k for k in {**want, **got} if got.get(k) != want.get(k)]
        got, want = ({k: d.get(k) for k in keys} for d in (got, want))
    raise AssertionError(f"{what}:\n  got  {got}\n  want {want}")


def has(text, part, what="output"):
    """Fails unless the regular expression part occurs in text."""
    check(re.search(part, text), f"{what} has no /{part}/:\n{text}")


def _precondition():
    if os.geteuid() != 0:
        return "must run as root"
    if not os.access(HEAPTAP, os.X_OK):
        return f"{HEAPTAP} is missing: build it first"
    return None


def _run_one(name, body, reason):
    begun = time.monotonic()
    try:
        check(reason is None, reason)
        body()
        verdict, why = "ok", ""
    except Skip as skip:
        verdict, why = "ok", f" # SKIP {skip}"
    except Exception:  # a broken test is a failed test
        verdict, why = "not ok", ""
        note(traceback.format_exc())
    if os.environ.get("VERBOSE"):
        note(f"{time.monotonic() - begun:.1f} s")
    return verdict, why


def main(watching=True):
    """Runs the tests of this program, or those whose names contain the arguments. Tests that watch
    something fail at once where that cannot work."""
    reason = _precondition() if watching else None
    sys.stdout.reconfigure(errors="backslashreplace")
    # A terminated test program still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = [t for t in _tests if all(word in t[0] for word in sys.argv[1:])]
    failed = 0
    for number, (name, body) in enumerate(chosen, 1):
        verdict, why = _run_one(name, body, reason)
        failed += verdict != "ok"
        print(f"{verdict} {number} - {name}{why}", flush=True)
    print(f"1..{len(chosen)}", flush=True)
    sys.exit(1 if failed else 0)


# ---- processes ------------------------------------------------------------------------------


@functools.cache
def scratch():
    """A directory of this test program's own, readable for everybody."""
    path = tempfile.mkdtemp(prefix="heaptap-e2e-")
    os.chmod(path, 0o755)
    atexit.register(shutil.rmtree, path, True)
    return path


_numbers = iter(range(1, 1 << 30))


def temp(suffix=""):
    """A path in scratch() that nobody has used yet."""
    return os.path.join(scratch(), f"{next(_numbers)}{suffix}")


class Done:
    """How a program ended: status as a shell shows it, stdout and stderr as text."""

    def __init__(self, argv, returncode, stdout, stderr):
        self.argv = argv
        self.status = returncode if returncode >= 0 else 128 - returncode
        self.stdout = stdout.decode(errors="replace")
        self.stderr = stderr.decode(errors="replace")

    def __str__(self):
        return (f"$ {shlex.join(self.argv)}\n-> {self.status}\nstdout:\n{self.stdout[:4000]}\n"
                f"stderr:\n{self.stderr[:4000]}")

    def expect(self, *statuses):
        """Fails unless the status is one of these."""
        check(self.status in statuses, f"status is not {statuses}: {self}")
        return self


def run(argv, timeout=TIMEOUT, data=b"", **popen):
    """Runs a program to its end, with data as its stdin."""
    argv = [str(word) for word in argv]
    if os.environ.get("VERBOSE"):
        note("$ " + shlex.join(argv))
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, **popen)
    try:
        out, err = process.communicate(data, timeout=timeout)
    except subprocess.TimeoutExpired as late:
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=TIMEOUT)
        raise AssertionError(f"not done after {timeout} s: $ {shlex.join(argv)}\n"
                             f"stdout: {late.stdout}\nstderr: {late.stderr}") from None
    return Done(argv, process.returncode, out, err)


@contextlib.contextmanager
def started(argv, **popen):
    """A running program; killed at the end of the block if it still lives."""
    argv = [str(word) for word in argv]
    if os.environ.get("VERBOSE"):
        note("$ " + shlex.join(argv) + " &")
    for name in ("stdin", "stdout", "stderr"):
        popen.setdefault(name, subprocess.PIPE)
    process = subprocess.Popen(argv, **popen)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()
        process.wait(10)


def finish(process, timeout=TIMEOUT):
    """Waits for the end of what started() gave."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"not done after {timeout} s: $ {shlex.join(process.args)}\n"
                             f"stdout: {late.stdout}\nstderr: {late.stderr}") from None
    return Done(process.args, process.returncode, out or b"", err or b"")


def wait_for(condition, what, timeout=TIMEOUT):
    """Polls until condition() is true; what says what is awaited."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        check(time.monotonic() < deadline, f"waited {timeout} s for {what}")
        time.sleep(0.01)


def young_for(watch):
    """Calls watch(AGE in seconds), which returns for how long what should have been younger than that
    may have been there, until it was; the age. A slow machine is given more time."""
    for age in (1, 4, 16):
        if watch(age) < age:
            return age
    raise AssertionError("nothing is ever young on this machine")


def lives(pid):
    """Is there a process pid, and not as a zombie?"""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def unprivileged(argv):
    """argv run by nobody, without capabilities."""
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
            "--inh-caps=-all", "--", *argv]


@contextlib.contextmanager
def as_nobody():
    """heaptap and the library in a folder that nobody owns: the build's may be for root's eyes only."""
    folder = temp()
    os.mkdir(folder)
    for name in (HEAPTAP, os.path.join(OUT, "libheaptap-preload.so")):
        shutil.copy(name, folder)
    for name in (".", *os.listdir(folder)):
        os.chown(os.path.join(folder, name), NOBODY, NOBODY)
    yield os.path.join(folder, "heaptap")
    shutil.rmtree(folder)


# ---- workloads ------------------------------------------------------------------------------


def _compile(target, sources, command):
    paths = [os.path.join(WORKLOADS, source) for source in sources]
    inputs = paths + [os.path.join(WORKLOADS, "tally.h"), os.path.abspath(__file__)]
    if os.path.exists(target) and os.stat(target).st_mtime >= max(
            os.stat(path).st_mtime for path in inputs):
        return target
    os.makedirs(BUILT, exist_ok=True)
    fresh = f"{target}.{os.getpid()}"
    run([*command, "-o", fresh, *sources, "-pthread", "-ldl"], cwd=WORKLOADS).expect(0)
    os.rename(fresh, target)
    return target


@functools.cache
def build(name, *flags, target=None, compiler=None):
    """Compiles tests/workloads/NAME.c (or .cc) to a program and returns its path."""
    target = os.path.join(BUILT, target or name)
    if os.path.exists(os.path.join(WORKLOADS, name + ".cc")):
        return _compile(target, [name + ".cc"],
                        [compiler or os.environ.get("CXX", "g++"), *CXXFLAGS, *flags])
    return _compile(target, [name + ".c"],
                    [compiler or os.environ.get("CC", "gcc"), *CFLAGS, *flags])


@functools.cache
def library(name, *flags, target=None):
    """Compiles tests/workloads/NAME.c to a shared library and returns its path."""
    return _compile(os.path.join(BUILT, target or f"{name}.so"), [name + ".c"],
                    [os.environ.get("CC", "gcc"), *CFLAGS, "-fPIC", "-shared", *flags])


# ---- the counter ----------------------------------------------------------------------------

COUNTER_MAGIC = 0x31746E756F637468


class Counter:
    """The independent count of counter.c, taken inside a process started with environment()."""

    def __init__(self, program):
        self.path = temp(".counters")
        self.program = os.path.realpath(shutil.which(program))

    def environment(self, base=None):
        """base (default: ours) with the counter preloaded into the program, and only there."""
        env = dict(os.environ if base is None else base)
        env["LD_PRELOAD"] = " ".join(filter(None, [env.get("LD_PRELOAD"), library("counter")]))
        env["COUNTER_OUT"] = self.path
        env["COUNTER_EXE"] = self.program
        env["ASAN_OPTIONS"] = "verify_asan_link_order=0"  # heaptap itself may be built with it
        return env

    def read(self):
        """The counts under the names of heaptap's summary."""
        return read_counts(self.path)


COUNTED = ("allocations", "frees", "failed_allocations", "allocated_bytes", "leaked_blocks",
           "leaked_bytes", "unknown_frees")


def read_counts(path):
    """The counts in a file of counter.c's under the names of heaptap's summary."""
    with open(path, "rb") as file:
        words = struct.unpack("9Q", file.read(72))
    check(words[0] == COUNTER_MAGIC, f"{path} was never begun")
    return dict(zip(COUNTED, words[2:]))


def tree_environment(directory):
    """Words for env(1) that have a program, and all it starts, count themselves in directory."""
    return [f"LD_PRELOAD={library('counter')}", f"COUNTER_TREE={directory}",
            "ASAN_OPTIONS=verify_asan_link_order=0"]


def counted_tree(directory):
    """{pid: what was counted of its last program} of tree_environment()."""
    newest = {}
    for name in os.listdir(directory):
        pid, _, number = name.partition(".")
        newest[int(pid)] = max(newest.get(int(pid), 0), int(number))
    return {pid: read_counts(f"{directory}/{pid}.{number}") for pid, number in newest.items()}


def equal_counts(report, counter):
    """Fails unless heaptap and the counter agree on everything, and nothing was lost."""
    want = {**counter.read(), "lost_events": 0}
    same({key: report.summary[key] for key in want}, want, "heaptap against the counter")


# ---- heaptap --------------------------------------------------------------------------------


class Report:
    """A report as --json gives it, with how heaptap ended; of several processes, the first's."""

    def __init__(self, text, done):
        try:
            self.json = json.loads(text)
        except ValueError as error:
            raise AssertionError(f"no JSON: {error}\n{text[:2000]}\n{done}") from None
        self.json = self.json.get("processes", [self.json])[0]
        self.summary = self.json["summary"]
        self.leaks = self.json["leaks"]
        self.done = done

    def from_function(self, function):
        """The entries whose innermost frame is in function."""
        return [leak for leak in self.leaks
                if leak["frames"] and leak["frames"][0]["function"] == function]

    def total_from(self, function):
        """(blocks, bytes) of those."""
        leaks = self.from_function(function)
        return sum(l["blocks"] for l in leaks), sum(l["bytes"] for l in leaks)


def heaptap(*arguments, timeout=TIMEOUT, **options):
    """Runs heaptap to its end."""
    return run([HEAPTAP, *arguments], timeout=timeout, **options)


def leaks(*arguments, status=0, timeout=TIMEOUT, **options):
    """heaptap leaks --json with these arguments (options, then "--" and a command, or a file)."""
    path = temp(".json")
    done = heaptap("leaks", "--json", "-o", path, *arguments, timeout=timeout, **options)
    done.expect(status)
    check(os.path.exists(path), f"no report was written: {done}")
    with open(path) as file:
        return Report(file.read(), done)


def leaks_tree(*arguments, status=0, timeout=TIMEOUT, **options):
    """As leaks, of a command that starts others: {pid: Report}."""
    path = temp(".json")
    done = heaptap("leaks", "--json", "-o", path, *arguments, timeout=timeout, **options)
    done.expect(status)
    with open(path) as file:
        whole = json.load(file)
    processes = whole.get("processes") or [whole]
    return {p["target"]["pid"]: Report(json.dumps(p), done) for p in processes}


@contextlib.contextmanager
def attached(pid, *arguments, subcommand="leaks", **popen):
    """A heaptap that has its probes in process pid."""
    probed = {"functions": ALLOCATING} if subcommand == "fail" else {}
    with started([HEAPTAP, subcommand, "-p", str(pid), *arguments], **popen) as process:
        wait_for(lambda: process.poll() is not None or
                 is_probed(pid, **probed) and is_watching(process),
                 f"probes in {pid} by {shlex.join(process.args)}")
        check(process.poll() is None, "heaptap is gone: " +
              (str(finish(process)) if process.poll() is not None else ""))
        yield process


def interrupt(process, timeout=TIMEOUT):
    """Ctrl-C, and how it ends."""
    process.send_signal(signal.SIGINT)
    return finish(process, timeout)


class Steps:
    """The workload steps.c, told what to do."""

    def __init__(self, process):
        self.process = process
        self.pid = process.pid

    def __call__(self, word, first, second=0):
        self.process.stdin.write(f"{word} {first} {second}\n".encode())
        self.process.stdin.flush()
        check(select.select([self.process.stdout], [], [], TIMEOUT)[0],
              f"{word}: the target does not answer")
        answer = os.read(self.process.stdout.fileno(), 100)
        same(answer, b"ok\n", word)

    def end(self):
        """Lets it exit."""
        self.process.stdin.close()
        same(self.process.wait(TIMEOUT), 0, "the target's own status")


@contextlib.contextmanager
def steps(program=None, **popen):
    """A running steps.c."""
    with started([program or build("steps")], stderr=subprocess.DEVNULL, **popen) as process:
        yield Steps(process)


# ---- probes, seen from outside --------------------------------------------------------------


@functools.cache
def _functions(path):
    """{name: (file offset, size)} of the functions a 64-bit library exports."""
    with open(path, "rb") as file:
        data = file.read()
    offset, = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, offset + i * size) for i in range(count)]
    functions = {}
    for section in sections:
        if section[1] != 11:  # SHT_DYNSYM
            continue
        strings = sections[section[6]][4]
        for at in range(section[4], section[4] + section[5], 24):
            name, info, _, index, value, length = struct.unpack_from("<IBBHQQ", data, at)
            if info & 15 == 2 and 0 < index < count:
                end = data.index(b"\0", strings + name)
                in_file = value - sections[index][3] + sections[index][4]
                functions[data[strings + name:end].decode()] = (in_file, length)
    return functions


def _libc_text(pid):
    """(path, [(start, end, file offset)]) of the C library's code in process pid."""
    path, ranges = None, []
    with open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            fields = line.split(None, 5)
            if len(fields) == 6 and "x" in fields[1] and re.search(r"/libc\.so\.6$",
                                                                   fields[5].strip()):
                path = fields[5].strip()
                start, end = (int(word, 16) for word in fields[0].split("-"))
                ranges.append((start, end, int(fields[2], 16)))
    return path, ranges


def _is_changed(pid, function):
    """Does the code of a C library function differ from its file's in process pid?"""
    path, ranges = _libc_text(pid)
    check(path, f"process {pid} has no C library")
    offset, size = _functions(path)[function]
    start = next(a - o + offset for a, b, o in ranges if o <= offset < o + b - a)
    with open(path, "rb") as file, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        file.seek(offset)
        memory.seek(start)
        return memory.read(size) != file.read(size)


EPOLL_WAIT = "232 "


def is_watching(process):
    """Does heaptap count already? It waits for events then, and not before."""
    try:
        with open(f"/proc/{process.pid}/syscall", encoding="ascii") as file:
            return file.read().startswith(EPOLL_WAIT)
    except (FileNotFoundError, ProcessLookupError):
        return False


ALLOCATING = ("malloc", "calloc", "realloc")


def is_probed(pid, functions=("free", *ALLOCATING)):
    """Do allocations and frees of process pid trap?"""
    try:
        return _libc_text(pid)[0] and all(_is_changed(pid, name) for name in functions)
    except (FileNotFoundError, ProcessLookupError):
        return False


def has_libc(pid):
    """Has process pid a C library to look at?"""
    return bool(_libc_text(pid)[0])


def is_clean(pid):
    """Is nothing left in the code of process pid?"""
    return not any(_is_changed(pid, name) for name in
                   ("malloc", "calloc", "realloc", "reallocarray", "free", "posix_memalign",
                    "aligned_alloc", "memalign", "valloc", "pvalloc"))


# ---- terminals ------------------------------------------------------------------------------


class Terminal:
    """A program with a terminal of its own."""

    def __init__(self, argv, env=None):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, dict(os.environ if env is None else env))

    def _read_some(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # all its users are gone
            return False
        self.text += data.decode(errors="replace")
        return bool(data)

    def wait_for(self, pattern, timeout=TIMEOUT):
        """Reads until the text has the regular expression."""
        deadline = time.monotonic() + timeout
        while not re.search(pattern, self.text):
            check(self._read_some(0.1), f"the terminal closed before /{pattern}/:\n{self.text}")
            check(time.monotonic() < deadline, f"no /{pattern}/ after {timeout} s:\n{self.text}")

    def type(self, text):
        """What a person would type."""
        os.write(self.fd, text.encode())

    def end(self, timeout=TIMEOUT):
        """Reads to the end; returns the status as a shell shows it."""
        deadline = time.monotonic() + timeout
        while self._read_some(0.1):
            check(time.monotonic() < deadline, f"not done after {timeout} s:\n{self.text}")
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    def close(self):
        """Ends whatever is left."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@contextlib.contextmanager
def terminal(argv, env=None):
    """A Terminal for the length of a block."""
    term = Terminal([str(word) for word in argv], env)
    try:
        yield term
    finally:
        term.close()

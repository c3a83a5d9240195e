#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every shape a program can have: how it was linked, what is left of its symbols, which file it is
by now, and which namespaces it lives in. The counts are the workload's own each time."""
import contextlib
import json
import lzma
import os
import re
import select
import shutil

from htap import (CFLAGS, HEAPTAP, TIMEOUT, WORKLOADS, Counter, Report, Skip, build, check,
                  equal_counts, has, heaptap, interrupt, is_watching, leaks, leaks_tree, main, run, same,
                  started, temp, test, wait_for)

# What shape.c keeps: (blocks, bytes) by function.
HERE, PART = (10, 1000), (5, 1000)


# ---- building -------------------------------------------------------------------------------


def compiled(output, sources, *flags):
    """Compiles sources of tests/workloads to output."""
    run([os.environ.get("CC", "gcc"), *CFLAGS, "-o", output, *sources, *flags, "-pthread", "-ldl"],
        cwd=WORKLOADS).expect(0)
    return output


def new_directory():
    path = temp()
    os.mkdir(path)
    os.chmod(path, 0o755)
    return path


def shape(*flags, program_flags=(), part_flags=(), library=True):
    """A program shape in a directory of its own, its part a library beside it or linked in."""
    program = os.path.join(new_directory(), "shape")
    if not library:
        return compiled(program, ["shape.c", "shape_part.c"], *flags)
    part = os.path.join(os.path.dirname(program), "libpart.so")
    compiled(part, ["shape_part.c"], "-fPIC", "-shared", "-Wl,-soname,libpart.so", *flags,
             *part_flags)
    return compiled(program, ["shape.c", part], "-Wl,-rpath,$ORIGIN", *flags, *program_flags)


def part_of(program):
    return os.path.join(os.path.dirname(program), "libpart.so")


def jail(program, root=None):
    """A directory to chroot into: the program as /shape and the libraries it needs."""
    root = root or new_directory()
    shutil.copy(program, os.path.join(root, "shape"))
    for path in re.findall(r"(/\S+) \(0x", run(["ldd", program]).expect(0).stdout):
        # Without /proc the loader does not know $ORIGIN.
        beside = os.path.dirname(path) == os.path.dirname(program)
        inside = os.path.join(root, "lib/libpart.so" if beside else path.lstrip("/"))
        os.makedirs(os.path.dirname(inside), exist_ok=True)
        shutil.copy(path, inside)
    return root


# ---- watching -------------------------------------------------------------------------------


def equal_tally(report, line, ignored=()):
    tally = {key: value for key, value in json.loads(line).items() if key not in ignored}
    same({key: report.summary[key] for key in tally}, tally, "heaptap against the tally")


def named(report):
    """Fails unless what is kept has the names of the source."""
    same(report.total_from("keep_here"), HERE, "kept by the program")
    same(report.total_from("keep_by_part"), PART, "kept by its part")


def nameless(report):
    """Fails unless nothing kept has a name of the workload, or another's."""
    same({frame["function"] for leak in report.leaks for frame in leak["frames"][:1]}, {None},
         "innermost names")
    same(sorted((leak["blocks"], leak["bytes"]) for leak in report.leaks), sorted([HERE, PART]),
         "entries")


def launched(*command, options=()):
    """Watches a launched shape; the report, its counts compared."""
    report = leaks(*options, "--", *command)
    equal_tally(report, report.done.stdout)
    return report


@contextlib.contextmanager
def watched(pid, *arguments, subcommand="leaks"):
    """A heaptap that counts in process pid, whatever that maps."""
    with started([HEAPTAP, subcommand, "-p", pid, *arguments]) as watcher:
        wait_for(lambda: watcher.poll() is not None or is_watching(watcher),
                 f"heaptap to watch {pid}")
        check(watcher.poll() is None, f"heaptap is gone: {watcher.poll()}: " + (
            watcher.stderr.read().decode() if watcher.poll() is not None else ""))
        yield watcher


def go(target):
    """Has a waiting shape do its work; what it prints."""
    target.stdin.write(b"\n")
    target.stdin.flush()
    check(select.select([target.stdout], [], [], TIMEOUT)[0], "the target does not answer")
    return os.read(target.stdout.fileno(), 4096)


def end(target):
    """Lets it exit."""
    target.stdin.close()
    same(target.wait(TIMEOUT), 0, "the target's own status")


def attached_to(pid, target, before_report=lambda: None, options=(), ignored=()):
    """Watches process pid, a waiting shape talked to through target; the report, compared."""
    path = temp(".json")
    with watched(pid, "--json", "-o", path, *options) as watcher:
        line = go(target)
        before_report()
        done = interrupt(watcher).expect(0)
    with open(path) as file:
        report = Report(file.read(), done)
    equal_tally(report, line, ignored)
    end(target)
    return report


def attached_shape(program, **options):
    with started([program, "wait"]) as target:
        return attached_to(target.pid, target, **options)


def both(program, judge=named):
    """Launched and attached."""
    judge(launched(program))
    judge(attached_shape(program))


def both_static(program):
    """The C library's own start allocates in a static program; no counter can be preloaded."""
    report = leaks("--", program)
    start = [leak for leak in report.leaks if "main" not in [f["function"] for f in leak["frames"]]]
    blocks, size = (sum(leak[key] for leak in start) for key in ("blocks", "bytes"))
    for key in ("allocations", "leaked_blocks"):
        report.summary[key] -= blocks
    for key in ("allocated_bytes", "peak_bytes", "leaked_bytes"):
        report.summary[key] -= size
    equal_tally(report, report.done.stdout)
    named(report)
    named(attached_shape(program))


def descendant(pid, name):
    """The pid of the only descendant of process pid that runs a file of that name."""
    def search(pid):
        with contextlib.suppress(OSError):
            if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == name:
                return pid
        try:
            with open(f"/proc/{pid}/task/{pid}/children") as children:
                return next(filter(None, map(search, map(int, children.read().split()))), None)
        except FileNotFoundError:
            return None
    return wait_for(lambda: search(pid), f"{name} below process {pid}")


# ---- how it was linked ----------------------------------------------------------------------


@test("static, with symbols")
def _():
    both_static(shape("-static", library=False))


@test("static and position-independent")
def _():
    both_static(shape("-static-pie", "-fPIE", library=False))


@test("not position-independent, its library at a fixed address")
def _():
    # As prelink(8) left them: link-time addresses that are not 0.
    program = shape(program_flags=["-no-pie"], part_flags=["-Wl,-Ttext-segment=0x41000000"])
    has(run(["readelf", "-lW", part_of(program)]).stdout, r"LOAD +0x0+ 0x0*41000000", "segments")
    both(program)


@test("code and headers in segments of their own, or all in one")
def _():
    both(shape("-Wl,-z,noseparate-code"))
    both(shape("-Wl,-z,separate-code"))


@test("stripped: counts stay, names go")
def _():
    both(shape("-s", library=False), nameless)


@test("static and stripped: no allocator can be found, and that is said")
def _():
    program = shape("-static", "-s", library=False)
    done = heaptap("leaks", "--", program).expect(0)
    said = r"(?m)/shape is a static program without symbols: .*--allocator .*$"
    has(done.stderr, said, "stderr, launched")
    with started([program, "wait"]) as target:
        done = heaptap("leaks", "-p", target.pid).expect(1)
        has(done.stderr, said, "stderr, attached")
        done = heaptap("doctor", "-p", target.pid).expect(1)
        has(done.stdout, r"(?s)shape +NO +.*static program without symbols.*No allocator that",
            "what doctor says")
        go(target)
        end(target)


# ---- its symbols ----------------------------------------------------------------------------


def lines_of(report, function):
    return {(os.path.basename(leak["frames"][0]["file"] or ""), leak["frames"][0]["line"])
            for leak in report.from_function(function)}


@test("compressed debug sections have lines")
def _():
    done = 0
    for kind in ("zlib", "zlib-gnu", "zstd"):
        try:
            program = shape(f"-gz={kind}")
        except AssertionError:  # not every assembler knows every kind
            continue
        has(run(["readelf", "-SW", program]).stdout, r"\.z?debug_info .*C|\.zdebug_info",
            "sections")
        report = launched(program)
        named(report)
        for function, source in (("keep_here", "shape.c"), ("keep_by_part", "shape_part.c")):
            (file, line), = lines_of(report, function)
            check(file == source and line, f"{kind}: {function} is at {file}:{line}")
        done += 1
    check(done, "no kind of compression works here")


def with_debugdata(path):
    """Strips a file as Fedora does: its function names go, compressed, to .gnu_debugdata."""
    mini, packed = temp(), temp()
    dynamic = {line.split()[0] for line in
               run(["nm", "-D", "--format=posix", "--defined-only", path]).stdout.splitlines()}
    keep = temp()
    with open(keep, "w") as file:
        for line in run(["nm", "--format=posix", "--defined-only", path]).stdout.splitlines():
            name, kind = line.split()[:2]
            if kind in "tT" and name not in dynamic:
                file.write(name + "\n")
    run(["objcopy", "--only-keep-debug", path, mini]).expect(0)
    run(["objcopy", "-S", "--remove-section", ".gdb_index", "--remove-section", ".comment",
         f"--keep-symbols={keep}", mini]).expect(0)
    with open(mini, "rb") as file, lzma.open(packed, "wb") as out:
        out.write(file.read())
    run(["strip", path]).expect(0)
    run(["objcopy", "--add-section", f".gnu_debugdata={packed}", path]).expect(0)


@test("names in .gnu_debugdata")
def _():
    program = shape(library=False)
    with_debugdata(program)
    check("keep_here" not in run(["nm", "-a", program]).stdout, "it still has a symbol table")
    both(program)


@test("a library's debug information apart")
def _():
    program = shape("-Wl,--exclude-libs,ALL")
    part = part_of(program)
    run(["objcopy", "--only-keep-debug", part, part + ".debug"]).expect(0)
    run(["strip", part]).expect(0)
    run(["objcopy", f"--add-gnu-debuglink={part}.debug", part]).expect(0)
    report = launched(program)
    named(report)
    same({file for file, _ in lines_of(report, "keep_by_part")}, {"shape_part.c"}, "its file")


# ---- which file it is by now ----------------------------------------------------------------


def deleted(program):
    for path in (program, part_of(program)):
        os.unlink(path)


def replaced(program):
    """Other files at the same paths, with other names and other code in them."""
    other = shape("-DREPLACEMENT", "-O0", "-Wl,--build-id=none")
    for old, new in ((program, other), (part_of(program), part_of(other))):
        os.rename(new, old)


CHANGES = [(change, flags) for change in (deleted, replaced)
           for flags in ([], ["-Wl,--build-id=none"])]


@test("program and library deleted or replaced before the attach")
def _():
    for change, flags in CHANGES:
        program = shape(*flags)
        with started([program, "wait"]) as target:
            wait_for(lambda: part_is_mapped(target.pid), "the library")
            change(program)
            named(attached_to(target.pid, target))


def part_is_mapped(pid):
    with open(f"/proc/{pid}/maps") as maps:
        return "libpart.so" in maps.read()


@test("program and library deleted or replaced while watched")
def _():
    for change, flags in CHANGES:
        program = shape(*flags)
        named(attached_shape(program, before_report=lambda: change(program)))


@test("recorded, then deleted or replaced: the names of the recording")
def _():
    for change, flags in CHANGES:
        program, recording = shape(*flags), temp(".htap")
        tally = heaptap("record", "-o", recording, "--", program).expect(0).stdout
        change(program)
        report = leaks(recording)
        equal_tally(report, tally)
        named(report)


@test("recorded without names, then deleted or replaced: no names rather than wrong ones")
def _():
    for change in (deleted, replaced):
        program, recording = shape(), temp(".htap")
        tally = heaptap("record", "--no-symbols", "-o", recording, "--", program).expect(0).stdout
        change(program)
        report = leaks(recording)
        equal_tally(report, tally)
        nameless(report)


# ---- where it lives -------------------------------------------------------------------------


def unshared(options, script):
    """A shape in namespaces of its own, started by a shell; it waits."""
    return started(["unshare", *options, "sh", "-ec", script])


def watch_inside(outer):
    return attached_to(descendant(outer.pid, "shape"), outer)


@test("a file system of its own: program and libraries on a private tmpfs")
def _():
    program, inside = shape(), new_directory()
    script = (f"mount -t tmpfs none {inside}; cp {program} {part_of(program)} {inside}; "
              f"exec {inside}/shape wait")
    with unshared(["--mount"], script) as outer:
        named(watch_inside(outer))


@test("bind mounts: what lies at the same path outside is another program")
def _():
    program, decoy = shape(), shape("-DREPLACEMENT", "-O0")
    script = (f"mount --bind {os.path.dirname(program)} {os.path.dirname(decoy)}; "
              f"exec {decoy} wait")
    with unshared(["--mount"], script) as outer:
        named(watch_inside(outer))
    script = script.replace(" wait", "")
    named(launched("unshare", "--mount", "sh", "-ec", script))


@test("a pid namespace: -p takes the number seen from here")
def _():
    program = shape()
    with unshared(["--pid", "--fork", "--mount-proc"],
                  f"grep ^NSpid: /proc/self/status; exec {program} wait") as outer:
        pid = descendant(outer.pid, "shape")
        has(outer.stdout.readline().decode(), r"NSpid:\t2", "its number inside")
        check(pid != 1, "its number outside")
        named(attached_to(pid, outer))


@test("a user namespace")
def _():
    program = shape()
    with unshared(["--user", "--map-root-user"], f"exec {program} wait") as outer:
        named(watch_inside(outer))
    named(launched("unshare", "--user", "--map-root-user", program))


@test("a chroot with its own libraries")
def _():
    root = jail(shape())
    with started(["chroot", root, "/shape", "wait"]) as outer:
        named(watch_inside(outer))


@test("a container: mount, pid, ipc and uts namespaces, and a chroot")
def _():
    root = jail(shape())
    with started(["unshare", "-mpfiu", "--mount-proc", "chroot", root, "/shape",
                  "wait"]) as outer:
        named(watch_inside(outer))


@test("an overlay: program and libraries from its lower and upper layer")
def _():
    layers = new_directory()
    try:
        run(["mount", "-t", "tmpfs", "none", layers]).expect(0)
        for name in ("lower", "upper", "work", "all"):
            os.mkdir(os.path.join(layers, name))
        jail(shape(), os.path.join(layers, "lower"))
        done = run(["mount", "-t", "overlay", "overlay", "-o",
                    ",".join(f"{kind}={layers}/{name}" for kind, name in
                             (("lowerdir", "lower"), ("upperdir", "upper"), ("workdir", "work"))),
                    f"{layers}/all"])
        if done.status:
            raise Skip(f"no overlay can be mounted: {done.stderr.strip()}")
        root = os.path.join(layers, "all")
        watch_overlay(root)
        # Copied up, its library not: two layers in one process.
        os.utime(os.path.join(root, "shape"))
        check(os.path.exists(os.path.join(layers, "upper", "shape")), "not copied up")
        watch_overlay(root)
    finally:
        for mounted in (os.path.join(layers, "all"), layers):
            run(["umount", "--lazy", mounted])


def watch_overlay(root):
    with started(["chroot", root, "/shape", "wait"]) as outer:
        named(watch_inside(outer))
    # Copied up while it runs: its path leads to another file then.
    with started(["chroot", root, "/shape", "wait"]) as outer:
        pid = descendant(outer.pid, "shape")
        os.chmod(os.path.join(root, "shape"), 0o755)
        named(attached_to(pid, outer))


# ---- what it does ---------------------------------------------------------------------------


@test("300 threads at once: every number equals the program's, and the counter's when launched")
def _():
    program = build("crowd")
    with started([program, "300", "300", "wait"]) as target:
        report = attached_to(target.pid, target, ignored=["peak_bytes"],
                             options=["--lossless", "--ring-size", "1M"])
    same(report.total_from("keep_in_crowd"), (300, 300 * 64), "kept by the threads")
    counter = Counter(program)
    report = leaks("--lossless", "--", program, "300", "300", env=counter.environment())
    equal_counts(report, counter)
    same(report.total_from("keep_in_crowd"), (300, 300 * 64), "kept by the threads")


def twin(number, *flags):
    return compiled(temp(f"-twin{number}.so"), ["twin.c"], f"-DTWIN={number}", "-fPIC", "-shared",
                    *flags)


def watch_twins(first, second, rounds, pause_us=0):
    """twins.c, watched whole and compared with the counter; the report."""
    program = build("twins")
    counter = Counter(program)
    report = leaks("--", program, first, second, rounds, pause_us, data=b"\n",
                   env=counter.environment())
    same(report.done.stdout, "same\n", "the libraries' addresses")
    equal_counts(report, counter)
    return report


@test("a library loaded and unloaded 20 times: exact, and named")
def _():
    library = twin(1)
    report = watch_twins(library, library, 10)
    same(report.total_from("keep_first"), (20, 20 * 1111), "kept by the library")


@test("libraries in turns at the same addresses: each block has the name of its own")
def _():
    for flags in ([], ["-DSAME_FRAME"]):  # different code, and the same but for the name
        first, second = twin(1, *flags), twin(2, *flags)
        for pause_us in (0, 100, 2000):
            report = watch_twins(first, second, 20, pause_us)
            for name, size in (("keep_first", 1111), ("keep_second", 2222)):
                entries = [leak for leak in report.leaks if leak["bytes"] % size == 0 and
                           leak["bytes"] // leak["blocks"] == size]
                same([[f["function"] for f in leak["frames"]][:3] for leak in entries],
                     [[name, "use", "main"]], f"stacks of {size} bytes, {flags}, {pause_us} us")
                same(report.total_from(name), (20, 20 * size), f"kept by {name}")


@test("launched in a chroot, a container, an overlay: another C library is watched whole")
def _():
    root = jail(shape())
    for command in (["chroot", root], ["unshare", "-miu", "chroot", root],
                    ["sh", "-ec", f"exec chroot {root} $0"]):
        for _ in range(5):
            named(launched(*command, "/shape"))


@test("launched into a static program by exec: it is watched whole")
def _():
    program = shape("-static", library=False)
    for _ in range(5):
        report = leaks("--", "sh", "-c", f"exec {program}")
        named(report)


@test("launched in a container with a pid namespace: the child is watched whole")
def _():
    root = jail(shape())
    for _ in range(5):
        reports = leaks_tree("--", "unshare", "-mpfiu", "--mount-proc", "chroot", root, "/shape")
        named(next(r for r in reports.values() if r.json["target"]["cmdline"] == "/shape"))


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: BSD-2-Clause
"""What the MIPS tests share: architectures, compilers, roots with foreign programs.

Environment: O (the build directory, default build/ of the repository), HEAPTAP_CACHE (what is
fetched, default ~/.cache/heaptap).
"""
import glob
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OUT = os.path.join(os.path.abspath(os.environ.get("O") or os.path.join(ROOT, "build")), "mips")
CACHE = os.path.join(os.environ.get("HEAPTAP_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "heaptap"), "mips")
SKIPPED = 77


class Arch:
    """One port: the prefix of its cross compiler, its emulator, whether Debian has packages."""

    def __init__(self, name, triplet, packaged=True):
        self.name = name
        self.triplet = triplet
        self.emulator = "qemu-" + name
        self.cross_root = "/usr/" + triplet
        self.packaged = packaged


ARCHES = {arch.name: arch for arch in (
    Arch("mipsel", "mipsel-linux-gnu"),
    Arch("mips64el", "mips64el-linux-gnuabi64"),
    Arch("mips", "mips-linux-gnu", packaged=False),
)}


def skip(why):
    """Ends the program as one that could not be tried here."""
    print(f"{os.path.basename(sys.argv[0])}: skipped: {why}", file=sys.stderr)
    sys.exit(SKIPPED)


def need(*programs):
    """Skips unless these programs are installed."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        skip(f"{', '.join(missing)} is not installed; scripts/setup mips installs it")


def packaged(arch, what="programs"):
    """The folder that tests/mips/sysroot fetched for an architecture."""
    asked = subprocess.run([os.path.join(HERE, "sysroot"), arch, what], stdout=subprocess.PIPE,
                           text=True)
    if asked.returncode == SKIPPED:
        skip(f"there are no {what} of {arch}")
    if asked.returncode != 0:
        sys.exit(f"tests/mips/sysroot {arch} {what} failed.")
    return asked.stdout.strip()


def uclibc():
    """The root that tests/mips/uclibc built."""
    asked = subprocess.run([os.path.join(HERE, "uclibc")], stdout=subprocess.PIPE, text=True)
    if asked.returncode == SKIPPED:
        skip("there is no uClibc")
    if asked.returncode != 0:
        sys.exit("tests/mips/uclibc failed.")
    return asked.stdout.strip()


def compile_c(command, output, sources, flags):
    """Runs a compiler if a source, or a header beside one, is newer than the output."""
    headers = [h for s in sources for h in glob.glob(os.path.join(os.path.dirname(s), "*.h"))]
    if os.path.exists(output):
        made = os.path.getmtime(output)
        if all(os.path.getmtime(path) < made for path in sources + headers):
            return output
    os.makedirs(os.path.dirname(output), exist_ok=True)
    done = subprocess.run([command, *flags, "-o", output, *sources], stderr=subprocess.PIPE,
                          text=True)
    if done.returncode != 0:
        sys.exit(f"{command} could not make {output}:\n{done.stderr}")
    return output


def oracle():
    """The plugin that judges, built for this machine."""
    return compile_c(os.environ.get("CC", "gcc"), os.path.join(OUT, "oracle.so"),
                     sorted(glob.glob(os.path.join(HERE, "oracle", "*.c"))),
                     ["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Wno-unused-parameter",
                      "-fPIC", "-shared", "-fvisibility=hidden"])


def library_walker(arch):
    """As walker, by the unwinder of the preload library."""
    library = os.path.join(ROOT, "preload-fallback")
    return compile_c(ARCHES[arch].triplet + "-gcc", os.path.join(OUT, arch, "library_walker.so"),
                     [os.path.join(HERE, "library_walker.c"),
                      *(f"{library}/unwind_{part}.c" for part in ("auxv", "mips", "module", "stack")),
                      *sorted(glob.glob(os.path.join(ROOT, "mips-unwind", "*.c")))],
                     ["-std=gnu99", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-ffixed-30", "-fPIC",
                      "-shared", "-fvisibility=hidden", "-DMIPS_UNWIND_SELF", "-I" + library,
                      "-I" + os.path.join(ROOT, "bpf"), "-I" + os.path.join(ROOT, "mips-unwind")])


def walker(arch):
    """The preload that walks the stack at every malloc and hands it over."""
    sources = sorted(glob.glob(os.path.join(ROOT, "mips-unwind", "*.c")))
    walker_c = os.path.join(HERE, "walker.c")
    if not os.path.exists(walker_c):
        skip("there is no tests/mips/walker.c")
    return compile_c(ARCHES[arch].triplet + "-gcc", os.path.join(OUT, arch, "walker.so"),
                     [walker_c, *sources],
                     ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-ffixed-30", "-fPIC",
                      "-shared", "-DMIPS_UNWIND_SELF", "-I" + os.path.join(ROOT, "mips-unwind"),
                      "-pthread", "-ldl"])

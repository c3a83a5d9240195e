# SPDX-License-Identifier: BSD-2-Clause
"""The preload library on machines of other kinds, under QEMU's emulation of programs."""
import functools
import os
import shutil

from htap import BUILT, ROOT, WORKLOADS, Skip, build, check, run, temp

TIMEOUT = 180


class Port:
    """A machine: name (of the emulator), triplet (of the compiler), flags (for an ABI that is not
    the compiler's own), most_bytes (of the library for it), libs (the folders of its C library and
    of its loader), loader (its name). libc: the name of the C library."""

    def __init__(self, name, triplet, flags=(), most_bytes=None, libs=("lib", "lib"),
                 loader="ld.so.1"):
        self.name = self.variant = name
        self.triplet = triplet
        self.emulator = "qemu-" + name
        self.compiler = triplet + "-gcc"
        self.flags = list(flags)
        self.workload_flags = []
        self.root = "/usr/" + triplet
        self.most_bytes = most_bytes
        self.loader = loader
        self.libc = "libc.so.6"
        self.libraries = [f"/{libs[0]}/libc.so.6", f"/{libs[1]}/{loader}"]

    def need(self):
        """Skips where it cannot be tried."""
        for program in (self.compiler, self.emulator):
            if not shutil.which(program):
                raise Skip(f"{program} is not installed")

    @functools.cache
    def library(self):
        """The preload library, built for it; its path."""
        self.need()
        out = os.path.join(BUILT, self.variant)
        run(["make", "-C", ROOT, "-j2", f"O={out}", f"CROSS_COMPILE={self.triplet}-",
             "PRELOAD_EXTRA=" + " ".join(self.flags), "preload"], timeout=300).expect(0)
        return os.path.join(out, self.triplet, "libheaptap-preload.so")

    def program(self, name, *flags):
        """tests/workloads/NAME.c (or .cc) compiled for it, with debug information."""
        self.need()
        compiler = self.compiler
        if os.path.exists(os.path.join(WORKLOADS, name + ".cc")):
            compiler = self.triplet + "-g++"
            if not shutil.which(compiler):
                raise Skip(f"{compiler} is not installed")
        words = [os.path.basename(flag).strip("-") for flag in flags]
        return build(name, *self.flags, *self.workload_flags, *flags,
                     target="-".join([name, self.variant, *words]), compiler=compiler)

    def shared(self, name, *flags):
        """tests/workloads/NAME.c compiled to a shared library of it."""
        self.need()
        return build(name, *self.flags, "-fPIC", "-shared", *flags,
                     target=f"{name}-{self.variant}.so", compiler=self.compiler)

    def run(self, command, root=None, library=None, behind=(), **env):
        """Runs a command of it with these variables and the library preloaded, and others behind
        it."""
        preloaded = [library or self.library(), *behind]
        words = [self.emulator, "-L", root or self.root, "-E", "LD_PRELOAD=" + " ".join(preloaded)]
        for name, value in env.items():
            words += ["-E", f"{name}={value}"]
        # To the emulator as well, whose environment is in /proc.
        return run([*words, *command], timeout=TIMEOUT, env={**os.environ, **env})

    def rootfs(self, *programs):
        """A copy of what its root folder would have of these programs."""
        folder = temp()
        for path, source in [*((path, self.root + path) for path in self.libraries),
                             *((program, program) for program in programs)]:
            copy = folder + path
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copyfile(source, copy)
        return folder


MIPSEL = Port("mipsel", "mipsel-linux-gnu", most_bytes=96 << 10)
MIPS = Port("mips", "mips-linux-gnu")
MIPS64EL = Port("mips64el", "mips64el-linux-gnuabi64", libs=("lib", "lib64"))
MIPSN32EL = Port("mipsn32el", "mips64el-linux-gnuabi64", ["-mabi=n32"],
                 libs=("lib32", "lib32"))
ARM64 = Port("aarch64", "aarch64-linux-gnu", loader="ld-linux-aarch64.so.1")


def record(port, *command, expect=0, **env):
    """Runs a command with the library and a file; (path, how it ended)."""
    path = temp(".htap")
    done = port.run(command, HEAPTAP_FILE=path, **env).expect(expect)
    check("heaptap:" not in done.stderr, f"the library complains: {done.stderr}")
    return path, done

# SPDX-License-Identifier: BSD-2-Clause
"""A machine of its own for one command: QEMU, a kernel of kernels.py, and this host's files.

    status = guest.run(kernel, ["heaptap", "doctor"])

The guest sees all the host's files at the same paths, and may change them: what it writes stays in
its memory and ends with it. Only folders that are given as writable are really written. It has no
network. What the command writes comes out as it is written, its exit status is the guest's.
"""
import ctypes
import hashlib
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import kernels

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import initramfs  # noqa: E402 (it is found only now)

TIMEOUT = 300
MEMORY_MB = 1024
PROCESSORS = 2
PORTS = ("out", "err", "status")
# Of the console's end, shown when something went wrong.
CONSOLE_LINES = 40
DRAIN_S = 5
# A word of the kernel's command line each; mitigations only take time here.
COMMAND_LINE = ["console=ttyS0", "rdinit=/init", "quiet", "panic=-1", "mitigations=off"]
# What the command finds in its environment of what ours has.
PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "TERM", "O", "HEAPTAP", "VERBOSE", "ONLY")


class Failed(Exception):
    """The machine could not run the command to its end; the text says why."""


class Late(Failed):
    """It was not done in time, and nothing else is known to be wrong."""


def _init():
    """The guest's first process, compiled once."""
    source = os.path.join(HERE, "init.c")
    with open(source, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()[:16]
    path = os.path.join(kernels.CACHE, "init-" + digest)
    if not os.path.exists(path):
        compiler = os.environ.get("CC", "gcc")
        if not shutil.which(compiler):
            raise Failed(f"{compiler} is not installed, which the guest's init is compiled with; "
                         "scripts/setup kernels installs it")
        os.makedirs(kernels.CACHE, exist_ok=True)
        fresh = f"{path}.{os.getpid()}"
        subprocess.run([compiler, "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra",
                        "-static", "-s", "-o", fresh, source], check=True)
        os.rename(fresh, path)
    return path


def _words(words):
    """Strings as init.c reads them."""
    return b"".join(os.fsencode(word) + b"\0" for word in words)


def _archive(kernel, command, environment, folder, writable):
    """The first files of the guest."""
    archive = initramfs.Archive()
    for path in ("/dev", "/host", "/above", "/root", "/modules"):
        archive.folder(path)
    archive.console()
    archive.copy("/init", _init())
    for module in kernel.modules:
        archive.copy("/modules/" + os.path.basename(module), module)
    archive.add("/order", _words(os.path.basename(path) for path in kernel.modules))
    archive.add("/command", _words(command))
    archive.add("/folder", _words([folder]))
    archive.add("/environment", _words(f"{name}={value}" for name, value in environment.items()))
    archive.add("/shares", _words(word for number, path in enumerate(writable)
                                  for word in (f"share{number}", path)))
    return archive.bytes()


def _share(number, tag, path, options):
    """QEMU's words for a folder of the host's."""
    escaped = path.replace(",", ",,")
    return ["-fsdev", f"local,id=fs{number},path={escaped},security_model=none,multidevs=remap{options}",
            "-device", f"virtio-9p-pci,fsdev=fs{number},mount_tag={tag}"]


def _words_of_qemu(kernel, packed, writable, descriptors, memory_mb, processors):
    words = ["qemu-system-x86_64", "-M", "q35", "-nodefaults", "-no-user-config", "-display", "none",
             "-no-reboot", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", str(memory_mb),
             "-smp", str(processors), "-kernel", kernel.image, "-initrd", packed,
             "-append", " ".join(COMMAND_LINE), "-serial", "stdio",
             *_share(0, "root", "/", ",readonly=on"),
             "-device", "virtio-serial-pci"]
    for number, path in enumerate(writable):
        words += _share(number + 1, f"share{number}", path, "")
    for name, descriptor in descriptors.items():
        words += ["-chardev", f"socket,id={name},fd={descriptor}",
                  "-device", f"virtserialport,chardev={name},name={name}"]
    return words


def _die_with_parent():
    """In QEMU's process, before it is QEMU: no machine outlives who has started it."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG (prctl(2))


class _Output:
    """What comes from a machine: out and err go on to ours at once, the rest is kept."""

    def __init__(self, streams, out, err):
        self.kept = {"console": b"", "status": b""}
        self.onward = {"out": out, "err": err}
        self.selector = selectors.DefaultSelector()
        for name, stream in streams.items():
            self.selector.register(stream, selectors.EVENT_READ, name)

    def take(self, seconds):
        """Takes what has come, or waits for it; False: nothing came in that time."""
        if not self.selector.get_map():
            return False
        ready = self.selector.select(seconds)
        for key, _ in ready:
            data = os.read(key.fd, 65536)
            if not data:
                self.selector.unregister(key.fileobj)
            elif key.data in self.onward:
                self.onward[key.data].write(data)
                self.onward[key.data].flush()
            else:
                self.kept[key.data] = (self.kept[key.data] + data)[-1 << 20:]
        return bool(ready)

    def has_status(self):
        return self.kept["status"].endswith(b"\n")

    def console_end(self):
        """The console's last lines, without what a terminal would act upon."""
        lines = self.kept["console"].decode(errors="replace").replace("\r", "").splitlines()
        clean = ["".join(c if c.isprintable() or c == "\t" else "?" for c in line) for line in lines]
        return "\n".join("  | " + line for line in clean[-CONSOLE_LINES:] if line.strip("? "))


def _follow(qemu, output, timeout):
    """Until the command has ended; its status. Raises Failed with the kernel's last words."""
    deadline = time.monotonic() + timeout
    while not output.has_status() and time.monotonic() < deadline:
        if not output.take(0.2) and qemu.poll() is not None:
            break
    in_time = time.monotonic() < deadline
    # What was written before the status has come as well, and waits here.
    while output.take(0) and time.monotonic() < deadline + DRAIN_S:
        pass
    if output.has_status():
        return int(output.kept["status"])
    said = output.console_end()
    ending = "; its console's last lines:\n" + said if said else "; its console was silent"
    if in_time:
        raise Failed("the machine ended before the command did" + ending)
    raise Late(f"the machine was stopped after {timeout} s" + ending)


def environment_for(more):
    """The guest's environment: some of ours, and NAME=VALUE of more."""
    kept = {name: os.environ[name] for name in PASSED if name in os.environ}
    return {"PATH": os.defpath, "HOME": "/root", **kept, **more}


def run(kernel, command, environment=None, writable=(), timeout=TIMEOUT, memory_mb=MEMORY_MB,
        processors=PROCESSORS, out=None, err=None):
    """Boots a machine for one command, which runs as root in our folder. Takes timeout seconds at
    most. out, err: binary streams, default ours. The command's exit status; raises Failed."""
    if not shutil.which("qemu-system-x86_64"):
        raise Failed("qemu-system-x86_64 is not installed; scripts/setup kernels installs it")
    pairs = {name: socket.socketpair() for name in PORTS}
    qemu = None
    with tempfile.TemporaryDirectory(prefix="heaptap-vm-") as work:
        packed = os.path.join(work, "initramfs")
        with open(packed, "wb") as file:
            file.write(_archive(kernel, command, environment_for(environment or {}), os.getcwd(),
                                writable))
        theirs = {name: pair[1].fileno() for name, pair in pairs.items()}
        try:
            qemu = subprocess.Popen(
                _words_of_qemu(kernel, packed, writable, theirs, memory_mb, processors),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                pass_fds=tuple(theirs.values()), preexec_fn=_die_with_parent)
            for pair in pairs.values():
                pair[1].close()
            streams = {name: pair[0] for name, pair in pairs.items()}
            output = _Output({**streams, "console": qemu.stdout}, out or sys.stdout.buffer,
                             err or sys.stderr.buffer)
            return _follow(qemu, output, timeout)
        finally:
            if qemu:
                qemu.send_signal(signal.SIGKILL)
                qemu.wait()
                qemu.stdout.close()
            for pair in pairs.values():
                pair[0].close()
                pair[1].close()

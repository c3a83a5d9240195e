# SPDX-License-Identifier: BSD-2-Clause
"""Kernels of Debian's suites, fetched once into the cache of this user.

    kernel = kernels.get("6.1")     # or "newest"
    kernel.release, kernel.image, kernel.modules

A kernel's folder in the cache has its image, unpacked; the modules a guest needs, in the order in
which they are loaded; and its configuration. Packages come by apt with a state of its own, from the
mirror this machine uses, and must be signed by Debian.
"""
import fcntl
import glob
import lzma
import os
import re
import shutil
import struct
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(os.environ.get("HEAPTAP_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "heaptap"), "kernels")

# What a kernel is called -> the suite that has it.
SUITES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie", "newest": "sid"}
# The host's files, the guest's own, and the ports between them.
MODULES = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"]


class Missing(Exception):
    """A kernel cannot be had; the text says why, and what to do."""


class Kernel:
    """One kernel in the cache. release: as uname says; image: an ELF file; modules: paths."""

    def __init__(self, folder):
        self.folder = folder
        self.release = os.path.basename(folder)
        self.image = os.path.join(folder, "vmlinux")
        self.modules = sorted(glob.glob(os.path.join(glob.escape(folder), "modules", "*")))


def _fetch_packages(suite, folder):
    """The packages of a suite's kernel, as files in the folder; its release."""
    script = os.path.join(HERE, "fetch")
    done = subprocess.run([script, suite, os.path.join(CACHE, "apt", suite), folder],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Missing(done.stderr.strip() or f"{script} ended with {done.returncode}")
    return done.stdout.strip()


def unpack_image(image):
    """The ELF file inside a bzImage. What follows its payload is the unpacked size, which only
    gzip has as a part of itself (Documentation/arch/x86/boot.rst)."""
    sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    begin = (sectors + 1) * 512 + offset
    payload = image[begin:begin + length - 4]
    if payload.startswith(b"\xfd7zXZ\0"):
        return lzma.decompress(payload)
    if payload.startswith(b"\x28\xb5\x2f\xfd"):
        if not shutil.which("zstd"):
            raise Missing("zstd is not installed, which this kernel is packed by; "
                          "scripts/setup kernels installs it")
        return subprocess.run(["zstd", "-dc"], input=payload, check=True,
                              stdout=subprocess.PIPE).stdout
    raise Missing(f"the kernel is packed in a way that is not known here: {payload[:6].hex()}")


def _named_modules(root):
    """{name: path} of all modules below root; a name has no "-"."""
    found = {}
    for path in glob.glob(os.path.join(root, "**", "*.ko*"), recursive=True):
        found[os.path.basename(path).split(".ko")[0].replace("-", "_")] = path
    return found


def _read_module(path):
    opener = lzma.open if path.endswith(".xz") else open
    with opener(path, "rb") as file:
        return file.read()


def ordered_modules(root, wanted):
    """[(name, contents)] of the wanted modules and of what they depend on, that first. Modules that
    are not there are parts of the kernel."""
    paths = _named_modules(root)
    order = {}

    def add(name):
        if name in order or name not in paths:
            return
        data = _read_module(paths[name])
        # A string of the section .modinfo.
        depends = re.search(rb"\0depends=([^\0]*)\0", data)
        for needed in filter(None, (depends[1] if depends else b"").decode().split(",")):
            add(needed.replace("-", "_"))
        order[name] = data
    for name in wanted:
        add(name)
    return list(order.items())


def _build(unpacked, folder):
    """Makes a kernel's folder of what its packages hold."""
    images = [path for pattern in ("boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz")
              for path in glob.glob(os.path.join(unpacked, pattern))]
    if not images:
        raise Missing("the packages of the kernel have no image where they used to have it")
    os.makedirs(os.path.join(folder, "modules"))
    with open(images[0], "rb") as file, open(os.path.join(folder, "vmlinux"), "wb") as out:
        out.write(unpack_image(file.read()))
    for number, (name, data) in enumerate(ordered_modules(unpacked, MODULES)):
        with open(os.path.join(folder, "modules", f"{number:02}-{name}.ko"), "wb") as out:
            out.write(data)
    for config in glob.glob(os.path.join(unpacked, "**", "config*"), recursive=True):
        if os.path.isfile(config):
            shutil.copy(config, os.path.join(folder, "config"))


def _place(release):
    return os.path.join(CACHE, release)


def _fetch(name):
    """Brings the newest kernel of that name into the cache, and says which it is."""
    suite = SUITES[name]
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="new-") as work:
        packages = os.path.join(work, "packages")
        os.mkdir(packages)
        release = _fetch_packages(suite, packages)
        if not os.path.exists(_place(release)):
            unpacked = os.path.join(work, "unpacked")
            for package in glob.glob(os.path.join(packages, "*.deb")):
                subprocess.run(["dpkg-deb", "-x", package, unpacked], check=True)
            _build(unpacked, os.path.join(work, "kernel"))
            os.rename(os.path.join(work, "kernel"), _place(release))
        with open(os.path.join(work, "pointer"), "w", encoding="ascii") as file:
            file.write(release)
        os.replace(os.path.join(work, "pointer"), os.path.join(CACHE, "of-" + name))
    return release


def cached(name):
    """The Kernel of that name, or None: it has not been fetched."""
    try:
        with open(os.path.join(CACHE, "of-" + name), encoding="ascii") as file:
            folder = _place(file.read().strip())
    except FileNotFoundError:
        return None
    return Kernel(folder) if os.path.exists(os.path.join(folder, "vmlinux")) else None


def full_name(word):
    """The name of SUITES a word means: itself, or the beginning of the release of one that is in
    the cache ("7.2"). None: nothing of that kind."""
    if word in SUITES:
        return word
    for name in SUITES:
        kernel = cached(name)
        if kernel and re.match(re.escape(word) + r"(\D|$)", kernel.release):
            return name
    return None


def get(name, again=False):
    """The kernel of a name in SUITES, fetched when it is not there; again: also when there may be a
    newer one. Raises Missing."""
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "lock-" + name), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kernel = None if again else cached(name)
        return kernel or Kernel(_place(_fetch(name)))

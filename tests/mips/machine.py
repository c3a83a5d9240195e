# SPDX-License-Identifier: BSD-2-Clause
"""A MIPS machine with a kernel of its own: QEMU's Malta, a kernel, and an initramfs made here.

    result = machine.run("mipsel", ["/prog", "-x"], kernel="tiny", files={"/prog": path})
    result.status, result.output

The guest has the C library and busybox of Debian's port, and whatever files it is given. Its
console is a serial line; the host is 10.0.2.2 to it where it has a network. Kernels:

  debian  the distribution's, fetched once (tests/mips/sysroot)
  tiny    Linux 6.1 without BPF, uprobes and perf events, built once by tests/mips/vm --build-kernel
"""
import base64
import glob
import os
import re
import shlex
import shutil
import subprocess
import sys

import lab

sys.path.insert(0, os.path.join(lab.ROOT, "tests"))

from initramfs import Archive  # noqa: E402 (found by the path above)

TIMEOUT = 180
HOST = "10.0.2.2"
MEMORY_MB = 256
TINY = os.path.join(lab.CACHE, "kernel-tiny", "vmlinux")

# By architecture: the emulator of the system, more of its arguments.
SYSTEMS = {"mipsel": ("qemu-system-mipsel", []),
           "mips64el": ("qemu-system-mips64el", ["-cpu", "5KEc"])}
LIBRARIES = ["libc.so.6", "libm.so.6", "libresolv.so.2", "libpthread.so.0", "libdl.so.2",
             "librt.so.1", "libgcc_s.so.1"]
MODULES = ["drivers/net/mii.ko", "drivers/net/ethernet/amd/pcnet32.ko"]
# Without the firmware that cards have for booting, which are packages of their own.
NETWORK_CARD = ["-netdev", "user,id=host", "-device", "pcnet,netdev=host,romfile="]
BEGIN, END, FILE = "heaptap-vm-begin", "heaptap-vm-exit", "heaptap-vm-file"

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t tmpfs tmp /tmp
stty -onlcr
ifconfig lo 127.0.0.1 up
{network}
cd /tmp
echo {begin}
( {env} exec {command} ) 2>&1
echo "{end} $?"
{get}
poweroff -f
"""
NETWORK = """for module in /modules/mii.ko /modules/pcnet32.ko; do
	[ ! -e $module ] || insmod $module
done
ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
route add default gw 10.0.2.2"""


class Result:
    """What a command did: its exit status (None: the machine did not get so far), its output, the
    files asked for, and all the console said."""

    def __init__(self, console):
        self.console = console
        match = re.search(f"^{BEGIN}\n(.*?)^{END} (\\d+)$", console, re.DOTALL | re.MULTILINE)
        self.output = match[1] if match else ""
        self.status = int(match[2]) if match else None
        self.files = {}
        for path, text in re.findall(f"^{FILE} (\\S+)\n(.*?)^{FILE}$", console,
                                     re.DOTALL | re.MULTILINE):
            self.files[path] = base64.b64decode(text)


def build_tiny():
    """Builds the kernel without BPF, which takes 4 to 20 minutes; the path of it."""
    if os.path.exists(TINY):
        return TINY
    lab.need("mipsel-linux-gnu-gcc", "flex", "bison", "bc", "make", "xz")
    source = lab.packaged("mipsel", "source")
    folder = os.path.dirname(TINY)
    tree = os.path.join(folder, "source")
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(tree)
    archive = glob.glob(os.path.join(source, "usr/src/linux-source-*.tar.xz"))[0]
    subprocess.run(["tar", "-xf", archive, "-C", tree, "--strip-components=1"], check=True)
    config = os.path.join(lab.HERE, "tiny-malta.config")
    make = ["nice", "make", "-C", tree, "ARCH=mips", "CROSS_COMPILE=mipsel-linux-gnu-"]
    with open(os.path.join(folder, "log"), "w", encoding="utf-8") as log:
        for goal in (["KCONFIG_ALLCONFIG=" + config, "allnoconfig"],
                     [f"-j{os.cpu_count()}", "vmlinux"]):
            subprocess.run([*make, *goal], check=True, stdout=log, stderr=log)
    subprocess.run(["mipsel-linux-gnu-strip", "-g", "-o", TINY + ".new",
                    os.path.join(tree, "vmlinux")], check=True)
    os.replace(TINY + ".new", TINY)
    shutil.rmtree(tree)
    return TINY


def kernel_of(arch, kernel):
    """The path of a kernel, and the folder of its modules or None."""
    if kernel == "tiny":
        if arch != "mipsel":
            lab.skip("the kernel without BPF is for mipsel only")
        if not os.path.exists(TINY):
            lab.skip("the kernel without BPF has not been built: tests/mips/vm --build-kernel")
        return TINY, None
    root = lab.packaged(arch, "kernel")
    image = glob.glob(os.path.join(root, "boot", "vmlinuz-*"))[0]
    return image, glob.glob(os.path.join(root, "lib/modules/*/kernel"))[0]


def initramfs(arch, init, files, modules):
    """The packed archive of a guest's files."""
    root = lab.packaged(arch)
    triplet = lab.ARCHES[arch].triplet
    archive = Archive()
    for folder in ("/bin", "/proc", "/sys", "/dev", "/tmp", "/etc", "/lib"):
        archive.folder(folder)
    archive.console()
    archive.add("/init", init.encode())
    archive.copy("/bin/busybox", os.path.join(root, "bin/busybox"))
    archive.copy("/lib64/ld.so.1" if arch == "mips64el" else "/lib/ld.so.1",
                 os.path.join(root, "lib", triplet, "ld.so.1"))
    for library in LIBRARIES:
        path = os.path.join(root, "lib", triplet, library)
        if os.path.exists(path):
            archive.copy(f"/lib/{triplet}/{library}", path)
    for module in MODULES if modules else []:
        archive.copy("/modules/" + os.path.basename(module), os.path.join(modules, module))
    for path, source in files.items():
        archive.copy(path, source)
    return archive.packed()


def init_script(command, env, network, get):
    """What the guest's first process runs."""
    fetched = "\n".join(f"echo {FILE} {path}; base64 {path}; echo {FILE}" for path in get)
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in env.items())
    return INIT.format(network=NETWORK if network else "", begin=BEGIN, end=END, get=fetched,
                       env=f"export {settings};" if settings else "",
                       command=" ".join(shlex.quote(word) for word in command))


def run(arch, command, kernel="debian", files=None, env=None, network=False, get=(),
        timeout=TIMEOUT):
    """Boots a machine for one command. files: path in the guest -> path here; get: files of the
    guest that the result has. Never takes longer than the timeout, in seconds."""
    system, more = SYSTEMS[arch]
    lab.need(system)
    image, modules = kernel_of(arch, kernel)
    os.makedirs(lab.OUT, exist_ok=True)
    packed = os.path.join(lab.OUT, f"initramfs-{os.getpid()}.gz")
    script = init_script(command, env or {}, network, get)
    with open(packed, "wb") as file:
        file.write(initramfs(arch, script, files or {}, modules if network else None))
    words = [system, "-M", "malta", *more, "-m", str(MEMORY_MB), "-kernel", image,
             "-initrd", packed, "-append", "console=ttyS0 rdinit=/init quiet panic=-1",
             "-display", "none",
             "-vga", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot",
             *(NETWORK_CARD if network else ["-nic", "none"])]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout)
        console = done.stdout
    except subprocess.TimeoutExpired as late:
        console = (late.stdout or b"") + f"\nthe machine was stopped after {timeout} s\n".encode()
    finally:
        os.unlink(packed)
    return Result(console.decode(errors="replace").replace("\r\n", "\n"))

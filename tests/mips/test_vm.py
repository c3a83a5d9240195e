#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""MIPS machines with kernels of their own: the walker's stacks there, and the way to the host."""
import os
import re
import shutil
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import lab
import machine
from htap import Skip, check, main, note, same, test

ENOSYS = 89
MIPS_END_BOTTOM = 0
# vm_load.c: rounds in two threads and in a child, and what its threads and streams need.
LEAST_STACKS = 150
NR_SENT = 12345


def load(arch):
    """The workload, compiled; skips without the compiler."""
    compiler = lab.ARCHES[arch].triplet + "-gcc"
    for program in (compiler, machine.SYSTEMS[arch][0]):
        if not shutil.which(program):
            raise Skip(f"{program} is not installed; scripts/setup mips installs it")
    return lab.compile_c(compiler, os.path.join(lab.OUT, arch, "vm_load"),
                         [os.path.join(lab.HERE, "vm_load.c")],
                         ["-O2", "-Wall", "-Wno-unused-parameter", "-pthread"])


def boot(arch, command, **options):
    """machine.run, with its way of leaving a skipped test turned into ours."""
    try:
        result = machine.run(arch, command, **options)
    except SystemExit as left:
        if left.code == lab.SKIPPED:
            raise Skip("something of the machine is missing, as was said above") from None
        raise AssertionError(left.code) from None
    if result.status is None:
        note(result.console[-3000:])
    same(result.status, 0, f"exit status of {command[0]}, which said {result.output!r}")
    return result


def check_walks(arch, kernel):
    """The walker in every process of the workload: each stack down to its bottom."""
    files = {"/load": load(arch)}
    try:
        files["/walker.so"] = lab.walker(arch)
    except SystemExit:
        raise Skip("there is no walker to try") from None
    result = boot(arch, ["/load"], kernel=kernel, files=files, get=["/tmp/stacks"],
                  env={"LD_PRELOAD": "/walker.so", "WALKER_OUT": "/tmp/stacks"})
    stacks = [line.split() for line in result.files["/tmp/stacks"].decode().split("\n")
              if re.match(r"\d+ \d+ ", line)]
    ends = [int(words[1]) for words in stacks]
    check(len(stacks) >= LEAST_STACKS, f"only {len(stacks)} stacks were walked")
    same([stack for stack, end in zip(stacks, ends) if end != MIPS_END_BOTTOM][:3], [],
         "stacks that are not complete")
    deep = sum(1 for words in stacks if words[0] == "40" and len(words) - 2 >= 11)
    check(deep >= 15, f"only {deep} stacks of the workload are as deep as they were")
    return result


@test("mipsel, a kernel without BPF: every stack is walked to its bottom")
def tiny():
    result = check_walks("mipsel", "tiny")
    check(f"bpf {ENOSYS}\n" in result.output, f"this kernel answers to bpf(): {result.output!r}")


@test("mipsel, Debian's kernel: every stack is walked to its bottom")
def debian():
    check_walks("mipsel", "debian")


@test("mips64el, Debian's kernel: every stack is walked to its bottom")
def debian64():
    check_walks("mips64el", "debian")


@test("mipsel, Debian's kernel: bytes reach the host by TCP")
def network():
    program = load("mipsel")
    got = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(machine.TIMEOUT)

        def receive():
            connection = server.accept()[0]
            connection.settimeout(machine.TIMEOUT)
            with connection:
                while got.append(connection.recv(65536)) is None and got[-1]:
                    pass

        receiver = threading.Thread(target=receive, daemon=True)
        receiver.start()
        boot("mipsel", ["/load", machine.HOST, str(server.getsockname()[1])], network=True,
             files={"/load": program})
        receiver.join(10)
    same(b"".join(got), b"x" * NR_SENT, "what arrived")


@test("a command that never ends is ended with its machine")
def bounded():
    load("mipsel")
    try:
        result = machine.run("mipsel", ["/bin/busybox", "sleep", "1000"], timeout=20)
    except SystemExit:
        raise Skip("something of the machine is missing, as was said above") from None
    same(result.status, None, "status")
    check("stopped after 20 s" in result.console, result.console[-500:])


if __name__ == "__main__":
    main(watching=False)

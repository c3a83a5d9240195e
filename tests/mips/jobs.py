# SPDX-License-Identifier: BSD-2-Clause
"""Real work for real programs of Debian's MIPS ports, whose stacks are compared frame by frame.

A job is the commands of one program: each an argument list whose first word is a path in the
root, run in a folder of its own that holds FILES. Jobs marked as held out were never looked at
while the scanner was made; they tell what it does on programs it has not seen.
"""
import glob
import json
import os
import random


class Job:
    """name: of the table; commands: run in this order; env: more variables for the program."""

    def __init__(self, name, *commands, held_out=False, env=()):
        self.name = name
        self.commands = commands
        self.held_out = held_out
        self.env = env


def _words():
    """Text that is the same at every run."""
    chance = random.Random(1)
    syllables = ["ka", "ru", "mi", "to", "ne", "so", "la", "vi", "de", "po"]
    word = lambda: "".join(chance.choice(syllables) for _ in range(chance.randint(1, 4)))
    return "\n".join(" ".join(word() for _ in range(8)) for _ in range(600)) + "\n"


def _json():
    chance = random.Random(2)
    rows = [{"id": i, "name": f"n{i % 37}", "tags": [f"t{chance.randint(0, 9)}" for _ in range(3)],
             "deep": {"value": chance.random(), "list": list(range(i % 7))}} for i in range(400)]
    return json.dumps(rows)


# What every job finds in its folder.
FILES = {"words": _words(), "rows.json": _json()}
for _path in glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs", "*")):
    with open(_path, encoding="utf-8") as _file:
        FILES[os.path.basename(_path)] = _file.read()

GIT = ["/usr/bin/git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "gc.auto=0",
       "-c", "maintenance.auto=false", "-c", "core.pager=cat"]
CC1 = "/usr/lib/gcc/{triplet}/12/cc1"
CXX_HEADERS = [word for folder in (
    "/usr/include/c++/12", "/usr/include/{triplet}/c++/12", "/usr/lib/gcc/{triplet}/12/include",
    "/usr/include/{triplet}", "/usr/include") for word in ("-isystem", "{root}" + folder)]

JOBS = [
    Job("sqlite3", ["/usr/bin/sqlite3", "new.db", ".read input.sql"]),
    Job("jq", ["/usr/bin/jq", "-f", "script.jq", "rows.json"]),
    Job("busybox", ["/bin/busybox", "ash", "script.sh"],
        ["/bin/busybox", "awk", "-f", "prog.awk", "words"],
        ["/bin/busybox", "sort", "-u", "-o", "sorted", "words"],
        ["/bin/busybox", "sed", "-e", "s/ka\\(ru\\)*/<&>/g;$!N;P;D", "words"],
        ["/bin/busybox", "tar", "cf", "a.tar", "words", "rows.json"],
        ["/bin/busybox", "find", ".", "-name", "*.*", "-size", "-9"],
        ["/bin/busybox", "ls", "-la"]),
    Job("bash", ["/bin/bash", "script.bash"]),
    Job("python3.11", ["/usr/bin/python3.11", "script.py"], env=["PYTHONMALLOC=malloc"]),
    Job("gawk", ["/usr/bin/gawk", "-f", "prog.awk", "words"]),
    Job("git", [*GIT, "init", "-q"],
        [*GIT, "add", "words", "rows.json", "script.py"],
        [*GIT, "commit", "-q", "-m", "first"],
        [*GIT, "log", "--stat", "-p"],
        [*GIT, "blame", "HEAD", "--", "words"],
        [*GIT, "fsck", "--full"]),
    Job("cc1", [CC1, "-quiet", "-O0", "prog.c", "-o", "o0.s"],
        [CC1, "-quiet", "-O2", "prog.c", "-o", "o2.s"]),
    Job("cc1plus", [CC1 + "plus", "-quiet", "-O1", *CXX_HEADERS, "prog.cc", "-o", "cc.s"]),
    Job("perl", ["/usr/bin/perl", "script.pl"], held_out=True),
    Job("lua5.4", ["/usr/bin/lua5.4", "script.lua"], held_out=True),
    Job("openssl", ["/usr/bin/openssl", "dgst", "-sha256", "words"],
        ["/usr/bin/openssl", "ecparam", "-name", "prime256v1", "-genkey", "-out", "key.pem"],
        ["/usr/bin/openssl", "req", "-new", "-x509", "-key", "key.pem", "-subj", "/CN=a",
         "-out", "cert.pem"],
        ["/usr/bin/openssl", "x509", "-in", "cert.pem", "-noout", "-text"],
        ["/usr/bin/openssl", "enc", "-aes-256-cbc", "-pbkdf2", "-iter", "100", "-k", "x",
         "-in", "words", "-out", "words.enc"],
        held_out=True),
    Job("curl", ["/usr/bin/curl", "-s", "-o", "copy", "file://{folder}/words"],
        ["/usr/bin/curl", "-V"], held_out=True),
    Job("xz", ["/usr/bin/xz", "-k", "-2", "words"], ["/usr/bin/xz", "-t", "words.xz"],
        ["/usr/bin/xz", "-k", "-T2", "-1", "rows.json"], held_out=True),
    Job("bc", ["/usr/bin/bc", "-lq", "bc.in", "/dev/null"], held_out=True),
    Job("dc", ["/usr/bin/dc", "-f", "dc.in"], held_out=True),
    Job("m4", ["/usr/bin/m4", "input.m4"], held_out=True),
    Job("make", ["/usr/bin/make", "-n", "-p", "-f", "Makefile.in", "all"], held_out=True),
    Job("vim.tiny", ["/usr/bin/vim.tiny", "-u", "NONE", "-es", "-S", "script.vim", "words"],
        held_out=True),
    Job("php8.2", ["/usr/bin/php8.2", "script.php"], held_out=True, env=["USE_ZEND_ALLOC=0"]),
    Job("ruby3.1", ["/usr/bin/ruby3.1", "--disable-gems", "script.rb"], held_out=True),
    Job("tclsh8.6", ["/usr/bin/tclsh8.6", "script.tcl"], held_out=True),
    Job("file", ["/usr/bin/file", "words", "rows.json", "script.py", "."], held_out=True),
    Job("mawk", ["/usr/bin/mawk", "-f", "prog.awk", "words"], held_out=True),
    Job("zstd", ["/usr/bin/zstd", "-q", "-f", "-T2", "-9", "rows.json"],
        ["/usr/bin/zstd", "-q", "-t", "rows.json.zst"], held_out=True),
    Job("gnuplot", ["/usr/bin/gnuplot-nox", "plot"], held_out=True),
]

# SPDX-License-Identifier: BSD-2-Clause
"""What tests of the golden recordings share: where these are, what heaptap says of them in a form
that is the same for all four layouts, and the texts it is compared with
(tests/golden/README.md)."""
import functools
import json
import os
import re
import sys

from htap import ROOT, check, heaptap, note, same, temp

GOLDEN = os.path.join(ROOT, "tests", "golden")
sys.path.insert(0, GOLDEN)
import htap_format  # noqa: E402
import htap_heap  # noqa: E402
import make_golden  # noqa: E402

# name: bytes of an address.
FOUR = {"le64": 8, "be64": 8, "le32": 4, "be32": 4}
ENV = {**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"}
SECOND = make_golden.SECOND
START, WALL = make_golden.START, make_golden.WALL
# The story in figures: (bytes, blocks).
LIVE, ALLOCATED, FREED, LEAK = (193845, 197), (5390700182, 1870), (5390506337, 1673), (184920, 181)
PEAK_BYTES, LOST = 5389904065, 7
# Four of each second's requests and the last of its vector; 18 lines of the log; and eight: the huge
# block, the last of the cache, what realloc(p, 0) frees, what is freed twice, three by the wrong
# function, one of 0 bytes.
NR_TEMPORARY = 180 * 4 + 180 + 18 + 8


def golden(name):
    """The path of a golden recording."""
    path = os.path.join(GOLDEN, name + ".htap")
    check(os.path.exists(path), f"{path} is missing")
    return path


@functools.cache
def counted(name):
    """What Python makes of a golden recording (htap_heap.Recording)."""
    with open(golden(name), "rb") as file:
        return htap_heap.Recording(htap_format.read(file))


def said(*arguments):
    """What a command writes to its standard output."""
    return heaptap(*arguments, env=ENV).expect(0).stdout


def told(view, name, *arguments):
    """A view's JSON of a golden recording."""
    return json.loads(said(view, "--json", *arguments, golden(name)))


def process_of(view, name, *arguments):
    """Of its only process, what a view's JSON has; of leaks, all."""
    whole = told(view, name, *arguments)
    process, = whole.get("processes", [whole])
    return process


@functools.cache
def exported(name, *arguments):
    """The path of what is exported, which is for reading only."""
    path = temp()
    heaptap("export", "-o", path, *arguments, golden(name), env=ENV).expect(0)
    return path


def text_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


# ---- the same for all four ------------------------------------------------------------------
#
# An address is written as the region it is in and how far: heap+0x30, libconf+0x1210. So which
# block and which line of code it is shows, and that addresses are right is tested in all layouts.
# Folders of modules are those of 64 bits, heaptap's version is VERSION.

@functools.cache
def regions(width):
    """[(where it begins, its name)], the highest first."""
    words = make_golden.WORDS[width]
    return sorted([(words[name], name) for name in ("heap", "mapped", "huge")] +
                  list(zip(words["bases"], ("gateway", "libconf", "libc"))), reverse=True)


def place(address, width):
    """An address as a region and an offset; what is below all of them is no address."""
    # diff speaks of two recordings.
    found = regions(8 if address >> 32 else width)
    return next((f"{name}+{hex(address - base)}" for base, name in found if address >= base),
                hex(address))


def same_folders(text, width):
    for own, common in zip(make_golden.WORDS[width]["paths"], make_golden.WORDS[8]["paths"]):
        if own != common:
            text = text.replace(own.decode(), common.decode())
    return text


def plain(text, width=8):
    """A text without what differs between the four. Offsets in modules (+0x1100) stay."""
    text = re.sub(r"(?<![+\w])0x[0-9a-f]+", lambda match: place(int(match[0], 16), width), text)
    return same_folders(text, width)


def _frame(frame, width):
    module = f" {frame['module']}+{frame['offset']:#x}" if frame["module"] else ""
    line = f" {frame['file']}:{frame['line']}" if frame["file"] else ""
    return (f"{frame['function']}{line}{module} at {place(frame['address'], width)}" +
            " inlined" * frame["inlined"])


def plain_json(value, width=8, key=""):
    """JSON likewise; a frame becomes one string."""
    if isinstance(value, list):
        return [_frame(part, width) if key == "frames" else plain_json(part, width)
                for part in value]
    if isinstance(value, dict):
        if "function" in value and "inlined" in value and "children" in value:
            frame = {name: value.pop(name) for name in
                     ("function", "file", "line", "module", "offset", "address", "inlined")}
            value = {"frame": _frame(frame, width), **value}
        return {name: "VERSION" if name == "heaptap" else plain_json(part, width, name)
                for name, part in value.items()}
    if isinstance(value, int) and key.endswith("address"):
        return place(value, width)
    return value


def laid_out(value, indent="", columns=100):
    """JSON as lines that fit, with short things on one."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (list, dict)) or len(indent + line) < columns:
        return line
    inner = indent + " "
    if isinstance(value, list):
        parts = [inner + laid_out(part, inner) for part in value]
        return "[\n" + ",\n".join(parts) + "\n" + indent + "]"
    parts = [f"{inner}{json.dumps(name)}: {laid_out(part, inner)}" for name, part in value.items()]
    return "{\n" + ",\n".join(parts) + "\n" + indent + "}"


def json_text(text, width=8):
    """A JSON document as expected files have it."""
    # Folders first: modules are strings, too.
    return laid_out(plain_json(json.loads(same_folders(text, width)), width)) + "\n"


# ---- expected texts -------------------------------------------------------------------------


def as_expected(name, text, what):
    """Fails unless a text is that of tests/golden/expected/NAME. With ACCEPT in the environment the
    file is written instead, for a look at what git says has changed."""
    path = os.path.join(GOLDEN, "expected", name)
    if os.environ.get("ACCEPT") and what.startswith("le64"):
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        note(f"{name} is what it is now")
    want = text_of(path).split("\n")
    got = text.split("\n")
    for number, (line, wanted) in enumerate(zip(got, want), 1):
        same(line, wanted, f"{what}: line {number} of {name}")
    same(len(got), len(want), f"{what}: lines of {name}")


def all_as_expected(name, *command):
    """The text of a command, which gets the recording's path last, of each of the four; where it
    has --json, JSON."""
    for recording, width in FOUR.items():
        text = said(*command, golden(recording))
        form = json_text if "--json" in command else plain
        as_expected(name, form(text, width), f"{recording}, {' '.join(map(str, command))}")

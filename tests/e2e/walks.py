# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of unwinding share: the figures of --stats --check-stacks, installed programs."""
import re
import shutil

from htap import Skip, check, note, same

PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
MISSING = " (the outer frames are missing)"
MAX_FRAMES = 127

STATS = re.compile(
    r"^Stacks: (?P<sent>\d+) distinct sent; walks cut at 127 frames: (?P<deep>\d+), at code "
    r"without unwind information: (?P<gap>\d+), at memory that makes no sense: (?P<lost>\d+)\.\n"
    r"Walks finished in userspace: (?P<shipped>\d+) shipped, (?P<by_tables>\d+) completed by "
    r"tables, (?P<by_libdwfl>\d+) by libdwfl\.$", re.M)
CHECKED = re.compile(
    r"^Checked against libdwfl: (?P<checked>\d+) stacks; equal to the outermost frame: "
    r"(?P<equal>\d+), equal as far as compared: (?P<agreeing>\d+), cut and marked: (?P<cut>\d+), "
    r"different: (?P<different>\d+)\.$", re.M)


def tool(name):
    """The path of the distribution's program."""
    path = shutil.which(name, path=PATH)
    if not path:
        raise Skip(f"{name} is not installed")
    return path


def figures(pattern, text):
    """The numbers of STATS or CHECKED by name."""
    found = pattern.search(text)
    check(found, f"no line /{pattern.pattern}/ in:\n{text}")
    return {key: int(value) for key, value in found.groupdict().items()}


def none_wrong(name, stderr):
    """Prints what --check-stacks found; fails when a stack differs from libdwfl's."""
    found = figures(CHECKED, stderr)
    note(f"{name}: " + ", ".join(f"{value} {key}" for key, value in found.items()))
    same(found["different"], 0, f"wrong stacks of {name}")
    return found

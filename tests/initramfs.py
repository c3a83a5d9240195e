# SPDX-License-Identifier: BSD-2-Clause
"""The archive a kernel has its first files from: the "newc" form of cpio, as the kernel's
buffer-format.rst has it."""
import gzip
import os


class Archive:
    """Files and folders, in the order in which they come; a folder comes with those above it."""

    def __init__(self):
        self.parts = []
        self.seen = set()

    def _entry(self, path, mode, data=b"", device=(0, 0)):
        name = path.strip("/").encode() + b"\0"
        fields = [len(self.seen) + 1, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0]
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
        self.parts += [head, b"\0" * (-len(head) % 4), data, b"\0" * (-len(data) % 4)]
        self.seen.add(path)

    def folder(self, path):
        """A folder and those above it, once."""
        if path not in ("", "/") and path not in self.seen:
            self.folder(os.path.dirname(path))
            self._entry(path, 0o040755)

    def add(self, path, data, mode=0o755):
        """A file."""
        self.folder(os.path.dirname(path))
        self._entry(path, 0o100000 | mode, data)

    def copy(self, path, source):
        """A file of the host's, or what a link of it leads to."""
        with open(source, "rb") as file:
            self.add(path, file.read())

    def console(self):
        """/dev/console, which init's output goes to."""
        self.folder("/dev")
        self._entry("/dev/console", 0o020600, device=(5, 1))

    def bytes(self):
        """The archive, complete: nothing can be added any more."""
        self._entry("TRAILER!!!", 0)
        return b"".join(self.parts)

    def packed(self):
        """The same, compressed."""
        return gzip.compress(self.bytes(), 1)

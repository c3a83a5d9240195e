# SPDX-License-Identifier: BSD-2-Clause
"""Recordings, read and written as docs/format.md says and without a line of heaptap's own code: what
heaptap and this module make of a recording must be the same. Either byte order, all codecs.

A record is a dictionary: "type" (a name of RECORDS, or a number), "pid", and the fields of its type.
"""
import ctypes
import io
import struct
import zlib

MAGIC = bytes.fromhex("89485441500d0a1a")
BYTE_ORDER = 0x01020304
HEADER = "8sHHIBBHIIIQQ"
HEADER_SIZE = 56
MAX_HEADER = 4096
BLOCK_MAGIC = 0x4B4C4248
BLOCK = "IIII"
BLOCK_HEADER_SIZE = 24
MAX_RAW = 1 << 20
FOOTER_BLOCK_SIZE = BLOCK_HEADER_SIZE + 48
STORED, ZLIB, PACKED = 0, 1, 2
NR_COLUMNS = 13
MASK = (1 << 64) - 1

# name: (type, struct format behind the head, fields; "pad..." is 0).
RECORDS = {
    "ALLOC": (1, "QQQIIHHI", "time_ns addr bytes tid stack func flags weight"),
    "FREE": (2, "QQIHH", "time_ns addr tid func flags"),
    "STACK": (16, "QIHH", "time_ns id nr_frames flags"),
    "TARGET": (17, "QQIIII", "started_ns attached_ns exe_len cmdline_len flags sample_bytes"),
    "MODULE": (18, "IIII", "id path_len build_id_len flags"),
    "MAPPING": (19, "QQQQII", "time_ns start end vaddr module pad"),
    "LOST": (20, "QQ", "time_ns events"),
    "EXEC": (21, "Q", "time_ns"),
    "SYMBOL": (22, "QII", "vaddr module nr_frames"),
    "STRING": (23, "II", "id len"),
    "END": (24, "QII", "time_ns reason status"),
    "FORK": (26, "QII", "time_ns child flags"),
    "FUNCTION": (27, "HHHH", "func family_len symbol_len pad"),
    "MEMORY": (29, "QQQQQ", "time_ns anonymous_bytes stack_bytes pad pad2"),
    "INDEX": (30, "QQQQII", "offset first_ns last_ns kinds nr_events pad"),
    "FOOTER": (31, "QQQQQ", "index_offset nr_blocks nr_events first_ns last_ns"),
}
NAMES = {number: name for name, (number, _, _) in RECORDS.items()}
# The texts behind a record's fixed part: (field, field of its length).
TEXTS = {
    "TARGET": [("exe", "exe_len"), ("cmdline", "cmdline_len")],
    "MODULE": [("build_id", "build_id_len"), ("path", "path_len")],
    "STRING": [("text", "len")],
    "FUNCTION": [("family", "family_len"), ("symbol", "symbol_len")],
}


class Damaged(Exception):
    """The recording is not what a writer wrote; the text says in which way."""


# heaptap itself needs the library; Python's module of it would be one thing more to install.
_xxh3 = ctypes.CDLL("libxxhash.so.0").XXH3_64bits
_xxh3.argtypes, _xxh3.restype = [ctypes.c_char_p, ctypes.c_size_t], ctypes.c_uint64


def checksum(data):
    return _xxh3(data, len(data))


# ---- records --------------------------------------------------------------------------------


def encode(record, order):
    """The bytes of a record."""
    if isinstance(record["type"], int):
        return struct.pack(order + "HHI", record["type"], 8 + len(record["body"]),
                           record["pid"]) + record["body"]
    number, layout, fields = RECORDS[record["type"]]
    values = dict(record)
    tail = b""
    for field, length in TEXTS.get(record["type"], ()):
        values[length] = len(record[field])
        tail += record[field]
    if record["type"] == "STACK":
        values["nr_frames"] = len(record["frames"])
        tail = struct.pack(f"{order}{len(record['frames'])}Q", *record["frames"])
    elif record["type"] == "SYMBOL":
        values["nr_frames"] = len(record["frames"])
        tail = b"".join(struct.pack(order + "IIII", *frame, 0) for frame in record["frames"])
    elif record["type"] == "FREE" and "stack" in record:
        tail = struct.pack(order + "II", record["stack"], 0)
    body = struct.pack(order + layout, *(values.get(field, 0) for field in fields.split()))
    body += tail + bytes(-(8 + len(body) + len(tail)) % 8)
    return struct.pack(order + "HHI", number, 8 + len(body), record.get("pid", 0)) + body


def _tail(record, name, tail, order):
    """Adds what is behind the fixed part."""
    at = 0
    for field, length in TEXTS.get(name, ()):
        if at + record[length] > len(tail):
            raise Damaged(f"{field} of a {name} is longer than the record")
        record[field] = tail[at:at + record.pop(length)]
        at += len(record[field])
    if name == "FREE" and len(tail) >= 8:
        record["stack"], = struct.unpack_from(order + "I", tail)
    if name in ("STACK", "SYMBOL"):
        count, width = record.pop("nr_frames"), {"STACK": 8, "SYMBOL": 16}[name]
        if count * width > len(tail):
            raise Damaged(f"the frames of a {name} are more than the record")
        words = struct.unpack_from(order + ("Q" if width == 8 else "III4x") * count, tail)
        record["frames"] = list(words) if width == 8 else [
            words[i:i + 3] for i in range(0, len(words), 3)]


def decode(data, order):
    """The record in these bytes."""
    number, _, pid = struct.unpack_from(order + "HHI", data)
    if number not in NAMES:
        return {"type": number, "pid": pid, "body": data[8:]}
    name = NAMES[number]
    _, layout, fields = RECORDS[name]
    size = struct.calcsize(order + layout)
    if 8 + size > len(data):
        raise Damaged(f"a {name} is too short")
    record = {"type": name, "pid": pid}
    record.update(zip(fields.split(), struct.unpack_from(order + layout, data, 8)))
    for field in ("pad", "pad2"):
        record.pop(field, None)
    _tail(record, name, data[8 + size:], order)
    return record


def split(raw, order):
    """The bytes of each record."""
    at = 0
    while at < len(raw):
        _, size = struct.unpack_from(order + "HH", raw, at)
        if size < 8 or size % 8 or at + size > len(raw):
            raise Damaged("a record has an impossible size")
        yield raw[at:at + size]
        at += size


# ---- packed records (codec 2) ---------------------------------------------------------------

(KINDS, TEMPLATES, OTHERS, TIMES_LOW, TIMES_HIGH, ALLOC_BACKS, FREE_BACKS, NEW_ADDRESSES, BYTES,
 STACKS, STACK_IDS, FRAME_BACKS, NEW_FRAMES) = range(NR_COLUMNS)
FIXED = {1: 48, 2: 32, 16: 24}
FREE_FROM = 40  # a FREE with a stack


def _number(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return out


def _zigzag(value, before):
    difference = (value - before) & MASK
    return (~(difference << 1) if difference >> 63 else difference << 1) & MASK


def _unzigzag(number, before):
    return (before + (-(number >> 1) - 1 if number & 1 else number >> 1)) & MASK


class _History:
    """Values that come again: n values ago, or new and near the new one before."""

    def __init__(self):
        self.values = []
        self.last_new = 0

    def back(self, value, limit=4096):
        for n, old in enumerate(reversed(self.values[-limit:]), 1):
            if old == value:
                return n
        return 0


def pack(raw, order):
    """The packed records of a block."""
    columns = [bytearray() for _ in range(NR_COLUMNS)]
    kinds, addresses, frames = {}, _History(), _History()
    last = {"time": 0, "stack": 0, "free": 0, "id": 0}

    def put_time(value):
        number = _zigzag(value, last["time"])
        columns[TIMES_LOW].append(number & 0xFF)
        columns[TIMES_HIGH].extend(_number(number >> 8))
        last["time"] = value

    def put_repeated(history, backs, news, value):
        back = history.back(value)
        columns[backs].extend(_number(back))
        if not back:
            columns[news].extend(_number(_zigzag(value, history.last_new)))
            history.last_new = value
        history.values.append(value)

    def put_difference(column, name, value):
        columns[column].extend(_number(_zigzag(value, last[name])))
        last[name] = value

    for data in split(raw, order):
        number, size, _ = struct.unpack_from(order + "HHI", data)
        fixed = FIXED.get(number)
        nr_frames = struct.unpack_from(order + "H", data, 20)[0] if number == 16 and \
            size >= 24 else 0
        if number == 2 and size == FREE_FROM:
            fixed = FREE_FROM
        if not fixed or size != fixed + 8 * nr_frames or nr_frames > 127:
            columns[KINDS].extend(_number(0))
            columns[OTHERS].extend(data)
            continue
        template = bytearray(data[:fixed])
        for start, end in {1: [(8, 32), (36, 40)], 2: [(8, 24)], 16: [(8, 20)]}[number]:
            template[start:end] = bytes(end - start)
        if fixed == FREE_FROM:
            template[32:36] = bytes(4)
        template = bytes(template)
        if template not in kinds:
            kinds[template] = len(kinds) + 1
            columns[TEMPLATES].extend(template)
        columns[KINDS].extend(_number(kinds[template]))
        put_time(struct.unpack_from(order + "Q", data, 8)[0])
        if number == 16:
            put_difference(STACK_IDS, "id", struct.unpack_from(order + "I", data, 16)[0])
            for frame in struct.unpack_from(f"{order}{nr_frames}Q", data, 24):
                put_repeated(frames, FRAME_BACKS, NEW_FRAMES, frame)
            continue
        put_repeated(addresses, ALLOC_BACKS if number == 1 else FREE_BACKS, NEW_ADDRESSES,
                     struct.unpack_from(order + "Q", data, 16)[0])
        if number == 1:
            columns[BYTES].extend(_number(struct.unpack_from(order + "Q", data, 24)[0]))
            put_difference(STACKS, "stack", struct.unpack_from(order + "I", data, 36)[0])
        elif fixed == FREE_FROM:
            put_difference(STACKS, "free", struct.unpack_from(order + "I", data, 32)[0])
    lengths = struct.pack(f"{order}{NR_COLUMNS}I", *map(len, columns))
    return lengths + b"".join(columns)


class _Columns:
    """The columns of a packed block, each read from its start."""

    def __init__(self, packed, order):
        if len(packed) < 4 * NR_COLUMNS:
            raise Damaged("a packed block has no columns")
        lengths = struct.unpack_from(f"{order}{NR_COLUMNS}I", packed)
        at = 4 * NR_COLUMNS
        self.streams = []
        for length in lengths:
            self.streams.append(io.BytesIO(packed[at:at + length]))
            at += length
        if at != len(packed):
            raise Damaged("the columns of a packed block are not all of it")

    def bytes(self, column, count):
        data = self.streams[column].read(count)
        if len(data) != count:
            raise Damaged("a column ends too early")
        return data

    def number(self, column):
        value = shift = 0
        while True:
            byte, = self.bytes(column, 1)
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80 or shift >= 64:
                return value & MASK

    def repeated(self, history, backs, news):
        back = self.number(backs)
        if back > len(history.values):
            raise Damaged("a value from before the block")
        if back:
            value = history.values[-back]
        else:
            value = history.last_new = _unzigzag(self.number(news), history.last_new)
        history.values.append(value)
        return value

    def used_up(self):
        return not any(stream.read(1) for stream in self.streams)


def unpack(packed, raw_len, order):
    """The records of a packed block."""
    columns, templates, out = _Columns(packed, order), [], bytearray()
    addresses, frames = _History(), _History()
    last_time = last_stack = last_free_stack = last_id = 0
    while len(out) < raw_len:
        kind = columns.number(KINDS)
        if not kind:
            head = columns.bytes(OTHERS, 8)
            size = struct.unpack_from(order + "H", head, 2)[0]
            if size < 8 or size % 8:
                raise Damaged("a record has an impossible size")
            out += head + columns.bytes(OTHERS, size - 8)
            continue
        if kind > len(templates) + 1:
            raise Damaged("a kind that was not described")
        if kind > len(templates):
            head = columns.bytes(TEMPLATES, 8)
            number = struct.unpack_from(order + "H", head)[0]
            if number not in FIXED:
                raise Damaged("a template of a type that is not packed")
            fixed = FIXED[number]
            if number == 2 and struct.unpack_from(order + "H", head, 2)[0] == FREE_FROM:
                fixed = FREE_FROM
            templates.append(head + columns.bytes(TEMPLATES, fixed - 8))
        record = bytearray(templates[kind - 1])
        number, size = struct.unpack_from(order + "HH", record)
        time_low, = columns.bytes(TIMES_LOW, 1)
        last_time = _unzigzag((time_low | columns.number(TIMES_HIGH) << 8) & MASK, last_time)
        struct.pack_into(order + "Q", record, 8, last_time)
        if number == 16:
            last_id = _unzigzag(columns.number(STACK_IDS), last_id) & 0xFFFFFFFF
            struct.pack_into(order + "I", record, 16, last_id)
            for _ in range(struct.unpack_from(order + "H", record, 20)[0]):
                record += struct.pack(order + "Q",
                                      columns.repeated(frames, FRAME_BACKS, NEW_FRAMES))
        else:
            backs = ALLOC_BACKS if number == 1 else FREE_BACKS
            struct.pack_into(order + "Q", record, 16,
                             columns.repeated(addresses, backs, NEW_ADDRESSES))
        if number == 1:
            last_bytes = columns.number(BYTES)
            last_stack = _unzigzag(columns.number(STACKS), last_stack) & 0xFFFFFFFF
            struct.pack_into(order + "Q", record, 24, last_bytes)
            struct.pack_into(order + "I", record, 36, last_stack)
        elif number == 2 and size == FREE_FROM:
            last_free_stack = _unzigzag(columns.number(STACKS), last_free_stack) & 0xFFFFFFFF
            struct.pack_into(order + "I", record, 32, last_free_stack)
        if size != len(record):
            raise Damaged("a template's size is not its records'")
        out += record
    if len(out) != raw_len or not columns.used_up():
        raise Damaged("a packed block is not as long as it says")
    return bytes(out)


# ---- blocks ---------------------------------------------------------------------------------


def stored_deflate(data):
    """A zlib stream that compresses nothing: the same bytes with every version of zlib."""
    out = bytearray(b"\x78\x01")
    for at in range(0, len(data), 65535):
        part = data[at:at + 65535]
        out += struct.pack("<BHH", at + 65535 >= len(data), len(part), len(part) ^ 0xFFFF) + part
    return bytes(out) + struct.pack(">I", zlib.adler32(data))


def block(raw, order, codec, deflate=lambda data: zlib.compress(data, 6)):
    """A block of these records; with codec 0 where another does not make them shorter."""
    stored = raw
    if codec == PACKED:
        packed = pack(raw, order)
        stored = deflate(packed) if len(packed) <= len(raw) else raw
    elif codec == ZLIB:
        stored = deflate(raw)
    if len(stored) >= len(raw):
        stored, codec = raw, STORED
    head = struct.pack(order + BLOCK, BLOCK_MAGIC, len(raw), len(stored), codec)
    return head + struct.pack(order + "Q", checksum(head + stored)) + stored


def _inflate(stored, limit):
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(stored, limit + 1)
    except zlib.error as error:
        raise Damaged(f"a block does not inflate: {error}") from None
    if not inflater.eof or inflater.unused_data or len(data) > limit:
        raise Damaged("a block inflates to another length than it says")
    return data


def read_block(file, order):
    """(codec, the bytes of its records) of the next block; None at the end of the file."""
    head = file.read(BLOCK_HEADER_SIZE)
    if not head:
        return None
    if len(head) < BLOCK_HEADER_SIZE:
        raise Damaged("the recording ends in the middle of a block")
    magic, raw_len, stored_len, codec, hashed = struct.unpack(order + BLOCK + "Q", head)
    if magic != BLOCK_MAGIC or not 8 <= raw_len <= MAX_RAW or raw_len % 8 or \
            not 1 <= stored_len <= raw_len:
        raise Damaged("a block does not begin as one")
    stored = file.read(stored_len)
    if len(stored) < stored_len:
        raise Damaged("the recording ends in the middle of a block")
    if checksum(head[:16] + stored) != hashed:
        raise Damaged("a block is not what was written")
    if codec == STORED:
        raw = stored
    elif codec == ZLIB:
        raw = _inflate(stored, raw_len)
    elif codec == PACKED:
        raw = unpack(_inflate(stored, raw_len), raw_len, order)
    else:
        raise Damaged(f"a block has the unknown codec {codec}")
    if len(raw) != raw_len:
        raise Damaged("a block is not as long as it says")
    return codec, raw


# ---- recordings -----------------------------------------------------------------------------


def header(order, address_size=8, monotonic_ns=0, realtime_ns=0):
    """The bytes of a recording's header."""
    data = struct.pack(order + HEADER, MAGIC, 1, HEADER_SIZE, BYTE_ORDER, address_size, 1, 0, 0, 0,
                       0, monotonic_ns, realtime_ns)
    return data + struct.pack(order + "Q", checksum(data))


def read_header(file):
    """The header's fields, among them "order": "<" or ">"."""
    data = file.read(16)
    if data[:8] != MAGIC or len(data) < 16:
        raise Damaged("this is no recording")
    orders = {struct.pack(order + "I", BYTE_ORDER): order for order in "<>"}
    if data[12:16] not in orders:
        raise Damaged("the byte order is none")
    order = orders[data[12:16]]
    version, size = struct.unpack_from(order + "HH", data, 8)
    if version != 1 or not HEADER_SIZE <= size <= MAX_HEADER or size % 8:
        raise Damaged("the header is of another version, or damaged")
    data += file.read(size - 16)
    if len(data) < size or checksum(data[:-8]) != struct.unpack(order + "Q", data[-8:])[0]:
        raise Damaged("the header is damaged")
    fields = struct.unpack_from(order + HEADER, data)
    if fields[7]:
        raise Damaged("the recording needs features that this reader has not")
    return {"order": order, "header_size": size, "address_size": fields[4],
            "monotonic_ns": fields[10], "realtime_ns": fields[11]}


def blocks(file):
    """(offset, codec, records) of every block of a recording that is read from its start."""
    found = read_header(file)
    at = found["header_size"]
    while True:
        start = file.tell() if file.seekable() else at
        got = read_block(file, found["order"])
        if not got:
            return
        codec, raw = got
        yield start, codec, [decode(data, found["order"]) for data in split(raw, found["order"])]


def read(file):
    """The records of a recording, without its index."""
    for _, _, records in blocks(file):
        for record in records:
            if record["type"] not in ("INDEX", "FOOTER"):
                yield record


def describe(records, offset):
    """The INDEX record of a block with these records, at this offset."""
    times = [record["time_ns"] for record in records if record["type"] in ("ALLOC", "FREE")]
    kinds = 0
    for record in records:
        number = record["type"] if isinstance(record["type"], int) else RECORDS[record["type"]][0]
        kinds |= 1 << min(number, 63)
    return {"type": "INDEX", "pid": 0, "offset": offset, "first_ns": min(times, default=0),
            "last_ns": max(times, default=0), "kinds": kinds, "nr_events": len(times)}


def read_index(file):
    """(FOOTER, INDEX records) by the footer at the end of a file; None where it has none."""
    file.seek(0)
    order = read_header(file)["order"]
    size = file.seek(0, io.SEEK_END)
    if size < HEADER_SIZE + FOOTER_BLOCK_SIZE:
        return None
    file.seek(size - FOOTER_BLOCK_SIZE)
    try:
        codec, raw = read_block(file, order)
        footer = decode(raw, order)
        if codec != STORED or footer["type"] != "FOOTER":
            return None
        file.seek(footer["index_offset"])
        index = []
        while file.tell() < size - FOOTER_BLOCK_SIZE:
            index += [decode(data, order) for data in split(read_block(file, order)[1], order)]
    except Damaged:
        return None
    return (footer, index) if len(index) == footer["nr_blocks"] else None


class Writer:
    """Writes a recording: add() records, flush() where a block is to end, close()."""

    def __init__(self, file, order="<", address_size=8, codec=PACKED, monotonic_ns=0,
                 realtime_ns=0, index=True, deflate=lambda data: zlib.compress(data, 6)):
        self.file, self.order, self.codec, self.deflate = file, order, codec, deflate
        self.pending, self.pending_size = [], 0
        self.index = [] if index else None
        self.offset = 0
        self._write(header(order, address_size, monotonic_ns, realtime_ns))

    def _write(self, data):
        self.file.write(data)
        self.offset += len(data)

    def _write_block(self, records, codec):
        raw = b"".join(encode(record, self.order) for record in records)
        self._write(block(raw, self.order, codec, self.deflate))

    def add(self, record):
        size = len(encode(record, self.order))
        if self.pending_size + size > MAX_RAW // 4:
            self.flush()
        self.pending.append(record)
        self.pending_size += size

    def flush(self):
        if not self.pending:
            return
        if self.index is not None:
            self.index.append(describe(self.pending, self.offset))
        self._write_block(self.pending, self.codec)
        self.pending, self.pending_size = [], 0

    def close(self):
        self.flush()
        if self.index is None:
            return
        events = [entry for entry in self.index if entry["nr_events"]]
        footer = {"type": "FOOTER", "pid": 0, "index_offset": self.offset,
                  "nr_blocks": len(self.index),
                  "nr_events": sum(entry["nr_events"] for entry in events),
                  "first_ns": min((entry["first_ns"] for entry in events), default=0),
                  "last_ns": max((entry["last_ns"] for entry in events), default=0)}
        for at in range(0, len(self.index), 4096):
            self._write_block(self.index[at:at + 4096], self.codec)
        self._write_block([footer], STORED)

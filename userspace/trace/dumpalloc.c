// SPDX-License-Identifier: BSD-2-Clause
/*
 * A record of the stream is fields one behind the other. Each state waits for one of them (or a few
 * of fixed size) to be there as a whole, and says which comes next.
 *
 * A record is an i32 type and, packed and in the sender's byte order:
 *   0 header: u64 time, u32 pid, u32 len, argv[0]; once, first
 *   1 alloc: u64 time, u64 address, u32 bytes, u64 frames..., u64 0; a frame of 1 begins
 *     { u32 len, function, u32 len, file, u32 line }..., u32 0, of Python
 *   2 free: u64 time, u64 address
 *   3 object: u64 time, u64 bias, u32 len, path
 *
 * On x86-64 the outermost frame is a 0 of its own: the 0 that ends the stack stands where a type is
 * expected, or else the 1 of Python does. So what an alloc is, the word behind it decides.
 */
#include "trace/dumpalloc.h"

#include <byteswap.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "trace/dump_out.h"

#define MAX_NAME WIRE_MAX_STRING
#define MAX_ARGV 511
#define MAX_PID	 4194304

/* A frame that is none: Python's follow. */
#define FRAME_PYTHON 1

enum { TYPE_HEADER, TYPE_ALLOC, TYPE_FREE, TYPE_OBJECT };

enum state {
	START, /* the header, up to its text */
	ARGV,
	TYPE,
	TYPE_REST, /* what may be the other half of a 64-bit word */
	ALLOC_TIME_HALF,
	ALLOC_REST,
	FRAME,
	FUNCTION_LEN,
	FUNCTION,
	FILE_LEN,
	FILE_NAME,
	LINE,
	FREE,
	OBJECT,
	PATH,
};

struct dumpalloc {
	struct dump_out *out;
	uint64_t now_ns, begun_ns;
	const uint8_t *data, *data_end; /* the caller's */
	bool ended, foreign;		/* foreign: the other byte order */
	int err;
	const char *reason;

	enum state state;
	uint32_t want, have;
	uint8_t field[MAX_NAME]; /* of which `have` bytes of `want` are there */

	uint32_t pid;
	struct dump_alloc alloc;
	bool complete; /* it waits for what is behind it */
	char function[MAX_NAME];
	uint32_t function_len, file_len;
	char file[MAX_NAME];
	uint64_t time_ns, bias; /* of the object */
};

static uint32_t get32(const uint8_t *at, bool foreign)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return foreign ? bswap_32(value) : value;
}

static uint64_t get64(const uint8_t *at, bool foreign)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return foreign ? bswap_64(value) : value;
}

static bool is_plausible(const uint8_t *start, bool foreign)
{
	uint32_t pid = get32(start + 12, foreign);

	return get64(start + 4, foreign) <= UINT32_MAX && pid && pid <= MAX_PID &&
	       get32(start + 16, foreign) <= MAX_ARGV;
}

bool dumpalloc__begins(const void *start, size_t len)
{
	return len >= DUMPALLOC_START_SIZE && get32(start, false) == TYPE_HEADER &&
	       (is_plausible(start, false) || is_plausible(start, true));
}

struct dumpalloc *dumpalloc__new(uint64_t now_ns)
{
	struct dumpalloc *dump = xcalloc(1, sizeof(*dump));

	dump->now_ns = now_ns;
	dump->out = dump_out__new();
	dump->state = START;
	dump->want = DUMPALLOC_START_SIZE;
	return dump;
}

void dumpalloc__free(struct dumpalloc *dump)
{
	if (!dump)
		return;
	dump_out__free(dump->out);
	free(dump);
}

/* What comes next. */
static int expect(struct dumpalloc *dump, enum state state, uint32_t want)
{
	dump->state = state;
	dump->want = want;
	return 0;
}

static int fail(struct dumpalloc *dump, const char *reason)
{
	dump->reason = reason;
	return -EBADMSG;
}

/* Seconds of the field, which begin at `at`, in ns. */
static int get_time(struct dumpalloc *dump, const uint8_t *at, uint64_t *time_ns)
{
	uint64_t seconds = get64(at, dump->foreign);

	if (seconds > UINT32_MAX)
		return fail(dump, "is damaged: a record has an impossible time");
	*time_ns = seconds * NSEC_PER_SEC;
	return 0;
}

/* A length, and the text that follows. */
static int expect_text(struct dumpalloc *dump, enum state state, const uint8_t *at)
{
	uint32_t len = get32(at, dump->foreign);

	if (len > MAX_NAME)
		return fail(dump, "is damaged: a name has an impossible length");
	return expect(dump, state, len);
}

/* Hands out the last alloc, which is whole. */
static int settle(struct dumpalloc *dump)
{
	if (!dump->complete)
		return 0;
	dump->complete = false;
	return dump_out__alloc(dump->out, &dump->alloc) ? fail(dump, "has more stacks than ids")
							: 0;
}

static int take_start(struct dumpalloc *dump)
{
	if (!dumpalloc__begins(dump->field, dump->want))
		return fail(dump, "is no stream of libdumpalloc");
	dump->foreign = !is_plausible(dump->field, false);
	dump->pid = get32(dump->field + 12, dump->foreign);
	dump->begun_ns = get64(dump->field + 4, dump->foreign) * NSEC_PER_SEC;
	return expect_text(dump, ARGV, dump->field + 16);
}

static int take_argv(struct dumpalloc *dump)
{
	dump_out__process(dump->out, dump->pid, dump->begun_ns, dump->now_ns,
			  (const char *)dump->field, dump->want);
	return expect(dump, TYPE, 4);
}

/* A record begins: the one before is over. */
static int begin(struct dumpalloc *dump, enum state state, uint32_t want)
{
	int err = settle(dump);

	return err ? err : expect(dump, state, want);
}

static int take_type(struct dumpalloc *dump)
{
	switch (get32(dump->field, dump->foreign)) {
	case TYPE_HEADER: /* only at the beginning: no record */
		return expect(dump, TYPE_REST, 4);
	case TYPE_ALLOC:
		return expect(dump, ALLOC_TIME_HALF, 4);
	case TYPE_FREE:
		return begin(dump, FREE, 16);
	case TYPE_OBJECT:
		return begin(dump, OBJECT, 20);
	}
	return fail(dump, "is damaged: a record has an unknown type");
}

/* Python's frames belong to the alloc that seemed to be over. */
static int resume_alloc(struct dumpalloc *dump)
{
	dump->complete = false;
	return expect(dump, FUNCTION_LEN, 4);
}

/* Behind 32 bits of 0: the rest of a second 0 that ends a stack, or of the 1 before Python's
 * frames, whose higher half comes first. */
static int take_type_rest(struct dumpalloc *dump)
{
	uint32_t rest = get32(dump->field, dump->foreign);
	bool high_first = dump->foreign == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

	if (!dump->complete || rest > 1 || (rest && !high_first))
		return fail(dump, "is damaged: a record has an unknown type");
	return rest ? resume_alloc(dump) : begin(dump, TYPE, 4);
}

/* Nobody allocates in the first second of a machine that was up when the stream began: a 0 is the
 * higher half of Python's 1, which comes behind. */
static int take_alloc_time_half(struct dumpalloc *dump)
{
	bool low_first = dump->foreign != (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
	int err;

	if (dump->complete && low_first && dump->begun_ns && !get32(dump->field, false))
		return resume_alloc(dump);
	err = settle(dump);
	if (err)
		return err;
	/* The half that is there, and the rest of the fixed part behind it. */
	expect(dump, ALLOC_REST, 20);
	dump->have = 4;
	return 0;
}

static int take_alloc_rest(struct dumpalloc *dump)
{
	struct dump_alloc *alloc = &dump->alloc;

	alloc->addr = get64(dump->field + 8, dump->foreign);
	alloc->bytes = get32(dump->field + 16, dump->foreign);
	alloc->nr_frames = 0;
	alloc->cut = false;
	if (get_time(dump, dump->field, &alloc->time_ns))
		return -EBADMSG;
	return expect(dump, FRAME, 8);
}

static void add_frame(struct dump_alloc *alloc, uint64_t frame)
{
	if (frame && alloc->nr_frames < WIRE_MAX_FRAMES)
		alloc->frames[alloc->nr_frames++] = frame;
	else
		alloc->cut = true;
}

static int take_frame(struct dumpalloc *dump)
{
	uint64_t frame = get64(dump->field, dump->foreign);

	if (frame == FRAME_PYTHON)
		return expect(dump, FUNCTION_LEN, 4);
	if (frame) {
		add_frame(&dump->alloc, frame);
		return expect(dump, FRAME, 8);
	}
	dump->complete = true;
	return expect(dump, TYPE, 4);
}

static int take_function_len(struct dumpalloc *dump)
{
	if (!get32(dump->field, false))
		return expect(dump, FRAME, 8);
	return expect_text(dump, FUNCTION, dump->field);
}

static int take_function(struct dumpalloc *dump)
{
	memcpy(dump->function, dump->field, dump->want);
	dump->function_len = dump->want;
	return expect(dump, FILE_LEN, 4);
}

static int take_file_len(struct dumpalloc *dump)
{
	return expect_text(dump, FILE_NAME, dump->field);
}

static int take_file_name(struct dumpalloc *dump)
{
	memcpy(dump->file, dump->field, dump->want);
	dump->file_len = dump->want;
	return expect(dump, LINE, 4);
}

static int take_line(struct dumpalloc *dump)
{
	add_frame(&dump->alloc,
		  dump_out__python(dump->out, dump->function, dump->function_len, dump->file,
				   dump->file_len, get32(dump->field, dump->foreign)));
	return expect(dump, FUNCTION_LEN, 4);
}

static int take_free(struct dumpalloc *dump)
{
	uint64_t time_ns;

	if (get_time(dump, dump->field, &time_ns))
		return -EBADMSG;
	dump_out__release(dump->out, time_ns, get64(dump->field + 8, dump->foreign));
	return expect(dump, TYPE, 4);
}

static int take_object(struct dumpalloc *dump)
{
	if (get_time(dump, dump->field, &dump->time_ns))
		return -EBADMSG;
	dump->bias = get64(dump->field + 8, dump->foreign);
	return expect_text(dump, PATH, dump->field + 16);
}

static int take_path(struct dumpalloc *dump)
{
	if (dump_out__object(dump->out, dump->time_ns, dump->bias, (const char *)dump->field,
			     dump->want))
		return fail(dump, "is damaged: it names more objects than any program has");
	return expect(dump, TYPE, 4);
}

/* What is done with a field that is there. */
static int (*const takers[])(struct dumpalloc *dump) = {
	[START] = take_start,
	[ARGV] = take_argv,
	[TYPE] = take_type,
	[TYPE_REST] = take_type_rest,
	[ALLOC_TIME_HALF] = take_alloc_time_half,
	[ALLOC_REST] = take_alloc_rest,
	[FRAME] = take_frame,
	[FUNCTION_LEN] = take_function_len,
	[FUNCTION] = take_function,
	[FILE_LEN] = take_file_len,
	[FILE_NAME] = take_file_name,
	[LINE] = take_line,
	[FREE] = take_free,
	[OBJECT] = take_object,
	[PATH] = take_path,
};

void dumpalloc__feed(struct dumpalloc *dump, const void *data, size_t len)
{
	dump->data = data;
	dump->data_end = dump->data + len;
}

/* Is the field that is waited for all there? */
static bool fill(struct dumpalloc *dump)
{
	size_t now = min((size_t)(dump->want - dump->have), (size_t)(dump->data_end - dump->data));

	if (now)
		memcpy(dump->field + dump->have, dump->data, now);
	dump->data += now;
	dump->have += (uint32_t)now;
	return dump->have == dump->want;
}

static int step(struct dumpalloc *dump)
{
	int err;

	dump->have = 0;
	err = takers[dump->state](dump);
	/* What was whole before the damage is delivered. */
	if (err)
		settle(dump);
	return err;
}

int dumpalloc__next(struct dumpalloc *dump, const struct wire_head **record)
{
	for (;;) {
		*record = dump_out__take(dump->out);
		if (*record)
			return 1;
		if (dump->err)
			return dump->err;
		if (dump->ended || !fill(dump))
			return 0;
		dump->err = step(dump);
	}
}

void dumpalloc__end(struct dumpalloc *dump, bool stopped)
{
	bool between = dump->state == TYPE && !dump->have;

	if (dump->ended || dump->err)
		return;
	dump->ended = true;
	dump->err = settle(dump);
	if (dump->err)
		return;
	if (dump->state == START && !dump->have)
		dump->err = fail(dump, "is empty");
	else if (dump->state <= ARGV)
		dump->err = fail(dump, "ends in the middle of its header");
	else if (between || stopped)
		dump_out__end(dump->out);
	else
		dump->err = fail(dump, "ends in the middle of a record");
}

const char *dumpalloc__reason(const struct dumpalloc *dump)
{
	return dump->reason;
}

bool dumpalloc__anchor(const struct dumpalloc *dump, uint64_t *monotonic_ns, uint64_t *realtime_ns)
{
	*monotonic_ns = dump->begun_ns;
	*realtime_ns = dump->now_ns;
	return dump->state > START;
}

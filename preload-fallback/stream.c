// SPDX-License-Identifier: BSD-2-Clause
#include "stream.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "block_out.h"
#include "guard.h"
#include "modules.h"
#include "os.h"
#include "recorder.h"
#include "shared.h"
#include "wire.h"

/* In front of a block's records, so that they are aligned as XXH3 and the records want it. */
#define RECORDS_AT 64u
/* Records in the ring for which a block is worth writing, and how old the first may grow. */
#define DRAIN_BYTES (32u << 10)
#define DRAIN_NS    NSEC_PER_SEC
/* Between two looks at a sink that takes nothing, and at one that has failed. */
#define BUSY_NS	      NSEC_PER_MSEC
#define FIRST_WAIT_NS (100 * NSEC_PER_MSEC)
#define LAST_WAIT_NS  (10 * NSEC_PER_SEC)
/* At the end: for another thread that writes, and for the sink. */
#define LAST_LOCK_NS   NSEC_PER_SEC
#define LAST_SEND_NS   (2 * NSEC_PER_SEC)
#define LAST_COMMIT_NS (100 * NSEC_PER_MSEC)

static struct stream {
	const struct sink *sink;
	uint32_t locked;
	sigset_t signals; /* that were blocked before it was locked */
	bool may_open;	  /* the program's start has come */
	bool hopeless;	  /* there will never be a sink */
	bool open, begun; /* begun: there was a stream already in this process */
	bool stalled;	  /* waiting is in vain until something was sent again */
	bool said;	  /* that it does not work */
	bool ended;
	uint32_t nr_ends; /* bytes of the block that says it ended */
	bool discarding; /* what is in the ring up to discard_until is of a stream that broke off */
	uint32_t discard_until;
	uint32_t catalogue_at;
	uint32_t lost_told;  /* of ring->lost */
	uint64_t lost;	     /* not in ring->lost and not told */
	uint32_t nr_records; /* in the buffer */
	uint32_t at, end;    /* of the buffer: what is not sent yet */
	uint32_t start;	     /* of it */
	uint64_t wait_ns;    /* until a sink that failed is tried again; 0: it works */
	uint8_t *buffer;
} stream;

/* When to look at the sink again, in ns: 64 bits are not atomic everywhere, so under the lock. */
static uint64_t next_ns, drained_ns;

void stream__init(const struct sink *sink, void *memory)
{
	stream.sink = sink;
	stream.buffer = memory;
	stream.stalled = true; /* until it is open */
}

/* A handler that jumps out while its thread has the lock would leave it locked, and things half
 * done. */
static bool try_lock(void)
{
	sigset_t before;

	if (__atomic_load_n(&stream.locked, __ATOMIC_RELAXED))
		return false;
	os__block_signals(&before);
	if (__atomic_exchange_n(&stream.locked, 1, __ATOMIC_ACQUIRE)) {
		os__allow_signals(&before);
		return false;
	}
	stream.signals = before;
	return true;
}

static void unlock(void)
{
	sigset_t before = stream.signals;

	__atomic_store_n(&stream.locked, 0, __ATOMIC_RELEASE);
	os__allow_signals(&before);
}

static bool lock_until(uint64_t deadline_ns)
{
	while (!try_lock()) {
		if (os__monotonic_ns() > deadline_ns)
			return false;
		os__sleep_us(200);
	}
	return true;
}

/* ---- what goes into a block ------------------------------------------------------------------ */

static void *put(uint32_t *used, uint16_t type, uint16_t size, uint32_t pid)
{
	struct wire_head *head = (void *)(stream.buffer + RECORDS_AT + *used);

	memset(head, 0, size);
	head->type = type;
	head->size = size;
	head->pid = pid;
	*used += size;
	return head;
}

static void put_beginning(uint32_t *used)
{
	const uint32_t room = STREAM_MEMORY - RECORDS_AT;
	struct wire_fork *fork;

	if (recorder.parent) {
		fork = put(used, WIRE_FORK, sizeof(*fork), recorder.parent);
		fork->time_ns = os__monotonic_ns();
		fork->child = recorder.pid;
	}
	*used += target_out__write(stream.buffer + RECORDS_AT + *used, room - *used, recorder.pid,
				   recorder.parent ? 0 : WIRE_TARGET_LAUNCHED,
				   recorder.config.sample_bytes);
	stream.begun = true;
}

static void put_lost(uint32_t *used)
{
	uint32_t dropped = __atomic_load_n(&recorder.ring->lost, __ATOMIC_RELAXED);
	uint64_t nr = stream.lost + (dropped - stream.lost_told);
	struct wire_lost *record;

	if (!nr)
		return;
	record = put(used, WIRE_LOST, sizeof(*record), recorder.pid);
	record->time_ns = os__monotonic_ns();
	record->events = nr;
	stream.lost_told = dropped;
	stream.lost = 0;
}

static void put_end(uint32_t *used, uint32_t pid)
{
	struct wire_end *record = put(used, WIRE_END, sizeof(*record), pid);

	record->time_ns = os__monotonic_ns();
	record->reason = WIRE_END_EXITED;
}

/* Throws away what named stacks and modules of a stream that is no more. True: all of it. */
static bool discard(void)
{
	uint32_t nr = 0;

	if (!stream.discarding)
		return true;
	while (ring__take(recorder.ring, stream.discard_until, NULL, UINT32_MAX / 2, &nr))
		;
	stream.lost += nr;
	stream.discarding = recorder.ring->tail != stream.discard_until;
	return !stream.discarding;
}

static void seal(uint32_t used)
{
	block_out__seal(stream.buffer + RECORDS_AT, used);
	stream.start = stream.at = RECORDS_AT - BLOCK_OUT_HEAD;
	stream.end = RECORDS_AT + used;
}

/* Makes the next block; false: there is nothing to write. */
static bool fill(bool and_end)
{
	uint32_t room = STREAM_MEMORY - RECORDS_AT, used = 0, nr = 0;
	/* First: what was reserved before this knows modules that are in the catalogue now. */
	uint32_t until = __atomic_load_n(&recorder.ring->head, __ATOMIC_ACQUIRE);
	bool whole = discard();

	if (!stream.begun)
		put_beginning(&used);
	used += modules__take(&stream.catalogue_at, stream.buffer + RECORDS_AT + used, room - used);
	if (!modules__more(stream.catalogue_at) && room - used > 4096) {
		put_lost(&used);
		if (whole)
			used += ring__take(recorder.ring, until, stream.buffer + RECORDS_AT + used,
					   room - used, &nr);
	}
	stream.nr_records = nr;
	if (!used && and_end) {
		/* Behind a place that its thread never commits: about so many. */
		stream.lost += (ring__used(recorder.ring) + sizeof(struct wire_alloc) - 1) /
			       sizeof(struct wire_alloc);
		put_lost(&used);
		put_end(&used, recorder.pid);
		put_end(&used, 0);
		stream.nr_ends = used + BLOCK_OUT_HEAD;
		stream.ended = true;
	}
	if (used)
		seal(used);
	return used;
}

/* ---- the sink -------------------------------------------------------------------------------- */

static void say_failure(const char *what, int err)
{
	if (stream.said)
		return;
	stream.said = true;
	os__say(what, stream.sink->name(), " failed: ", os__error(-err),
		"; the program runs on, and events are dropped");
}

static void put_off(void)
{
	if (!stream.wait_ns)
		stream.wait_ns = FIRST_WAIT_NS;
	else if (stream.wait_ns < LAST_WAIT_NS)
		stream.wait_ns *= 2;
	next_ns = os__monotonic_ns() + stream.wait_ns;
	stream.stalled = true;
}

/* Those that follow name nothing the new stream does not say. */
static void begin_again(void)
{
	__atomic_add_fetch(&recorder.generation, 1, __ATOMIC_SEQ_CST);
	stream.discard_until = __atomic_load_n(&recorder.ring->head, __ATOMIC_SEQ_CST);
	stream.discarding = true;
	stream.begun = stream.ended = false;
	stream.catalogue_at = 0;
}

static void break_off(int err)
{
	say_failure("writing the recording to ", err);
	put_off();
	if (stream.sink->keeps_place)
		return;
	stream.sink->close();
	stream.lost += stream.nr_records + 1; /* at least: what was on the way is not known */
	stream.nr_records = 0;
	stream.open = false;
	stream.at = stream.end = 0;
	begin_again();
}

/* Sends what is in the buffer; true: all of it. */
static bool flush(void)
{
	while (stream.at < stream.end) {
		ssize_t done = stream.sink->send(stream.buffer + stream.at, stream.end - stream.at);

		if (done == -EAGAIN) {
			next_ns = os__monotonic_ns() + BUSY_NS;
			return false;
		}
		if (done < 0) {
			break_off((int)done);
			return false;
		}
		stream.at += (uint32_t)done;
		/* What is only said about losses makes no room. */
		stream.stalled = stream.stalled && !stream.nr_records;
		stream.wait_ns = 0;
	}
	return true;
}

static bool open_sink(void)
{
	int err;

	if (stream.open)
		return true;
	if (!stream.may_open || stream.hopeless)
		return false;
	err = stream.sink->open();
	if (err == -EAGAIN) {
		next_ns = os__monotonic_ns() + 10 * NSEC_PER_MSEC;
		return false;
	}
	if (err) {
		say_failure("opening ", err);
		put_off();
		return false;
	}
	stream.open = true;
	stream.stalled = false;
	stream.wait_ns = 0;
	header_out__write(stream.buffer, os__monotonic_ns(), os__realtime_ns());
	stream.start = stream.at = 0;
	stream.end = HEADER_OUT_BYTES;
	return true;
}

/* Under the lock. Moves what there is as far as the sink takes it. */
static void pump(bool and_end)
{
	int saved = errno;

	drained_ns = os__monotonic_ns();
	if (open_sink() && !stream.ended)
		while (flush() && !stream.ended && fill(and_end))
			;
	if (stream.open && stream.ended)
		flush();
	errno = saved;
}

/* ---- called from events ---------------------------------------------------------------------- */

void stream__drain_some(uint64_t now_ns)
{
	uint32_t used = ring__used(recorder.ring), size = recorder.ring->data_size;
	uint32_t enough = size / 4 < DRAIN_BYTES ? size / 4 : DRAIN_BYTES;
	/* Half of a number may be old where it is not atomic: then this looks too early or too
	 * late. */
	bool late = now_ns - drained_ns > DRAIN_NS && now_ns > drained_ns;

	if (recorder__is_shared())
		return;
	if ((used < enough && !late) || now_ns < next_ns || stream.ended || !try_lock())
		return;
	pump(false);
	unlock();
}

void *stream__wait_for_room(uint32_t bytes)
{
	uint64_t now_ns = os__monotonic_ns();
	uint64_t deadline_ns = now_ns + recorder.config.wait_ms * NSEC_PER_MSEC;
	void *at;

	if (recorder__is_shared())
		return shared__wait_for_room(bytes, guard__claim());
	do {
		if (guard_thread.nr_suspects)
			guard__check_suspects();
		if (now_ns >= next_ns && try_lock()) {
			pump(false);
			unlock();
		} else if (!stream.stalled) {
			os__sleep_us(200);
		}
		at = ring__reserve(recorder.ring, bytes, guard__claim());
		now_ns = os__monotonic_ns();
	} while (!at && !stream.stalled && now_ns < deadline_ns);
	if (!at)
		stream.stalled = true;
	return at;
}

/* ---- beginning and end ------------------------------------------------------------------------
 */

void stream__open(void)
{
	int err;

	if (recorder__is_shared())
		return;
	err = stream.sink->prepare();
	stream.may_open = true;
	if (err) {
		stream.hopeless = true;
		say_failure("looking up ", err);
	}
	if (try_lock()) {
		pump(false);
		unlock();
	}
}

/* What cannot be sent any more is not to stand there in part. */
static void give_up_rest(void)
{
	if (stream.at < stream.end && stream.sink->take_back && stream.at > stream.start &&
	    stream.sink->take_back(stream.at - stream.start))
		stream.at = stream.start;
}

void stream__finish(bool ended)
{
	uint64_t now_ns = os__monotonic_ns(), deadline_ns = now_ns + LAST_SEND_NS;

	if (recorder__is_shared()) {
		shared__finish();
		return;
	}
	/* A child that has done nothing of its own leaves nothing. */
	if (stream.hopeless || (!stream.begun && recorder.parent && !ring__used(recorder.ring)))
		return;
	if (!lock_until(now_ns + LAST_LOCK_NS))
		return;
	/* A thread may be about to commit; one that was left in the middle never does. */
	while (pump(false), stream.open && !stream.wait_ns && ring__used(recorder.ring) &&
				    os__monotonic_ns() < now_ns + LAST_COMMIT_NS) {
		os__sleep_us(500);
		guard__check_suspects();
	}
	do {
		pump(ended);
		if (!stream.open || stream.wait_ns ||
		    (ended ? stream.ended && stream.at == stream.end : !ring__used(recorder.ring)))
			break;
		if (stream.sink->wait && stream.at < stream.end)
			stream.sink->wait(50);
		else
			os__sleep_us(500); /* for a thread that is about to commit */
	} while (os__monotonic_ns() < deadline_ns);
	if (ended)
		give_up_rest();
	unlock();
}

void stream__resume(void)
{
	if (recorder__is_shared() || !stream.ended ||
	    !lock_until(os__monotonic_ns() + LAST_LOCK_NS))
		return;
	if (stream.at < stream.end || !stream.sink->take_back ||
	    !stream.sink->take_back(stream.nr_ends)) {
		stream.sink->close();
		stream.open = false;
		begin_again();
	}
	stream.at = stream.end = 0;
	stream.ended = false;
	unlock();
}

void stream__forked(void)
{
	if (recorder__is_shared())
		return;
	stream.sink->forked();
	stream.locked = 0;
	stream.open = stream.begun = stream.ended = stream.discarding = stream.said = false;
	stream.lost = stream.lost_told = stream.nr_records = 0;
	stream.at = stream.end = stream.catalogue_at = 0;
	stream.wait_ns = next_ns = 0;
	stream.stalled = !stream.may_open;
}

// SPDX-License-Identifier: BSD-2-Clause
/* What is in the rings of a process, on its way into the stream. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/util.h"
#include "source/preload_source.h"

/* How long a ring waits: for a child that its parent has not learned of, for what is under way in a
 * process that has ended, and for a fork that is not over or a thread that does not commit. */
#define FORK_GRACE_NS	NSEC_PER_SEC
#define END_GRACE_NS	(NSEC_PER_SEC / 5)
#define THREAD_GRACE_NS (NSEC_PER_SEC * 5)

int preload_source__hand_on(struct preload_source *self, const struct wire_head *record)
{
	int err = 0;

	if (self->queue.used)
		err = queue__take(&self->queue, self->take, self->take_data);
	return err ? err : self->take(record, self->take_data);
}

/* Has the image's other side been waited for so long? */
static bool has_waited(struct image *image, uint64_t grace_ns)
{
	uint64_t now_ns = clock__monotonic_ns();

	if (!image->waits_since_ns)
		image->waits_since_ns = now_ns;
	return now_ns - image->waits_since_ns >= grace_ns;
}

/* Will nobody write into this ring any more? */
static bool is_final(const struct preload_source *self, const struct preloaded *process,
		     const struct image *image)
{
	return process->ended_round || image->next || self->stopping;
}

static void tell_losses(struct preload_source *self, const struct preloaded *process,
			uint64_t nr_lost)
{
	struct wire_lost record = { .time_ns = clock__monotonic_ns(), .events = nr_lost };

	if (nr_lost)
		queue__add(&self->queue, WIRE_LOST, process->pid, &record, sizeof(record), NULL, 0,
			   NULL, 0);
}

static int take_catalogue(struct preload_source *self, struct preloaded *process,
			  struct image *image)
{
	struct wire_head *record = (struct wire_head *)self->buffer;
	int err = 0;

	while (!err && shared_ring__take_catalogue(&image->ring, record)) {
		record->pid = (uint32_t)process->pid;
		if (record->type == WIRE_TARGET) {
			struct wire_target *target = (struct wire_target *)record;

			/* Where it cannot see /proc, what its parent is still holds. */
			if (!target->exe_len && process->target)
				continue;
			target->flags = process->pid == self->command && !process->had_image
						? WIRE_TARGET_LAUNCHED
						: 0;
			process->had_image = true;
			preloaded__keep_target(process, target);
			err = preload_source__hand_on(self, record);
		} else if (record->type == WIRE_MODULE) {
			local_ids__add_module(&image->ids, &self->ids,
					      (const struct wire_module *)record, process->pid,
					      &self->queue);
		} else if (record->type == WIRE_MAPPING &&
			   !local_ids__translate(&image->ids, &self->ids, record)) {
			err = preload_source__hand_on(self, record);
		}
	}
	return err;
}

/* May the record of a fork be passed? */
static bool see_to_fork(struct preload_source *self, struct preloaded *process, struct image *image,
			const struct ring_fork *fork)
{
	bool in_this_namespace = image->ring.producer == (uint32_t)process->pid;
	struct ring_fork_slot slot = shared_ring__fork(&image->ring, fork);
	bool is_over = slot.done || is_final(self, process, image);

	if (!self->config.follow)
		return true;
	if (!slot.child && slot.done == RING_FORK_FAILED)
		return true;
	if (!slot.child)
		return has_waited(image, is_over ? FORK_GRACE_NS : THREAD_GRACE_NS);
	if (in_this_namespace)
		preloaded__forked(self, process, (pid_t)slot.child, fork->time_ns);
	return true;
}

/* Who becomes another program, as this pid namespace knows it. */
static void see_to_exec(struct preload_source *self, const struct preloaded *process,
			const struct image *image, const struct ring_exec *record)
{
	if (!self->config.follow && process->pid != self->command)
		return;
	if (record->pid == image->ring.producer)
		preload_execs__add(self, process->pid, image->number, record);
	else if (self->config.follow && image->ring.producer == (uint32_t)process->pid &&
		 (pid_t)record->pid > 0)
		preload_execs__add(self, (pid_t)record->pid, 0, record);
}

static int take_record(struct preload_source *self, struct preloaded *process, struct image *image,
		       struct wire_head *record)
{
	record->pid = (uint32_t)process->pid;
	self->nr_records++;
	if (local_ids__translate(&image->ids, &self->ids, record))
		return 0; /* of a type that comes by the catalogue, or is not known */
	return preload_source__hand_on(self, record);
}

/* A thread has ended, or was stopped, in the middle of a record: how many others are behind it
 * nobody knows. */
static void give_up(struct preload_source *self, const struct preloaded *process,
		    struct image *image, uint32_t until)
{
	uint32_t left = until - image->ring.tail;

	tell_losses(self, process, max(left / sizeof(struct wire_alloc), 1u));
	shared_ring__stop(&image->ring);
	image->ring.broken = true;
	image->limited = image->drained = true;
	image->until = image->ring.tail;
}

/* Takes the ring as far as it goes now; image->drained says whether that is all. */
static int drain_ring(struct preload_source *self, struct preloaded *process, struct image *image,
		      uint32_t until)
{
	struct wire_head *record = (struct wire_head *)self->buffer;
	int err = 0;

	image->drained = false;
	while (!err) {
		enum shared_ring_state state = shared_ring__take(&image->ring, until, record);

		if (state == SHARED_RING_EMPTY) {
			image->drained = true;
			break;
		}
		if (state == SHARED_RING_WAITS) {
			if (has_waited(image, is_final(self, process, image) ? END_GRACE_NS
									     : THREAD_GRACE_NS))
				give_up(self, process, image, until);
			break;
		}
		if (record->type == RING_EXEC) {
			see_to_exec(self, process, image, (const struct ring_exec *)record);
		} else if (record->type != RING_FORK) {
			err = take_record(self, process, image, record);
		} else {
			if (!see_to_fork(self, process, image, (const struct ring_fork *)record))
				break;
			shared_ring__pass(&image->ring);
		}
		image->waits_since_ns = 0;
	}
	return err;
}

static void warn_of_nonsense(const struct preloaded *process, struct image *image)
{
	if (image->limited)
		return;
	log_warn("Process %d has damaged the memory by which its events come: what it allocates "
		 "from "
		 "now on is not seen.",
		 process->pid);
	image->limited = true;
	image->until = image->ring.tail;
}

static int drain_image(struct preload_source *self, struct preloaded *process, struct image *image)
{
	/* In this order, so that what a record refers to is known before it. */
	uint32_t head = shared_ring__head(&image->ring);
	int err = take_catalogue(self, process, image);

	if (!err)
		err = drain_ring(self, process, image, image->limited ? image->until : head);
	tell_losses(self, process, shared_ring__nr_lost(&image->ring));
	if (image->ring.broken)
		warn_of_nonsense(process, image);
	return err;
}

int preloaded__drain(struct preload_source *self, struct preloaded *process)
{
	int err = 0;

	while (!err && process->images) {
		struct image *image = process->images;
		bool is_last = !image->next;

		err = drain_image(self, process, image);
		if (is_last || !image->drained)
			break;
		preloaded__exec(self, process);
	}
	return err;
}

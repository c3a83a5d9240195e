// SPDX-License-Identifier: BSD-2-Clause
/* The stream that is made of several rings: its ids, its forks, its order. The producers are
 * sleeping children of the test, for whom the test writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ring.h"
#include "source/preload_source.h"

#define FORKS_AT     (sizeof(struct ring) + RING_MIN_SIZE)
#define CATALOGUE_AT (FORKS_AT + RING_FORK_SLOTS * sizeof(struct ring_fork_slot))
#define CATALOGUE    4096u
#define ALL_BYTES    (CATALOGUE_AT + CATALOGUE)
#define MAX_SEEN     64

/* What came, a line each. */
struct seen {
	char lines[MAX_SEEN][80];
	size_t nr;
};

static struct preload_source *new_source(pid_t command)
{
	struct preload_source *self = calloc(1, sizeof(*self));

	preload_source__init(self);
	self->config.follow = true;
	self->command = command;
	self->command_name = strdup("test");
	self->epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(ring_socket__open(&self->socket), 0);
	preloaded__tell(self, preloaded__add(self, command), WIRE_TARGET_LAUNCHED, "/bin/test",
			"test", 5);
	return self;
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (!pid) {
		pause();
		_exit(0);
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static struct ring *hand_over(struct preload_source *self, pid_t pid, pid_t parent)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct ring *ring;

	assert_int_equal(ftruncate(fd, ALL_BYTES), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	ring = mmap(NULL, ALL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(ring != MAP_FAILED);
	ring->forks_offset = FORKS_AT;
	ring->catalogue_offset = CATALOGUE_AT;
	ring->catalogue_size = CATALOGUE;
	ring->parent = (uint32_t)parent;
	assert_true(ring__init(ring, FORKS_AT, (uint32_t)pid));
	preloaded__greet(self, pid, fd);
	return ring;
}

static void put_stack(struct ring *ring, uint32_t id)
{
	struct wire_stack *record = ring__reserve(ring, sizeof(*record) + 8, NULL);

	record->id = id;
	record->nr_frames = 1;
	record->frames[0] = 0x1000 + id;
	ring__commit(record, WIRE_STACK, sizeof(*record) + 8);
}

static void put_alloc(struct ring *ring, uint64_t addr, uint32_t stack)
{
	struct wire_alloc *record = ring__reserve(ring, sizeof(*record), NULL);

	record->addr = addr;
	record->stack = stack;
	ring__commit(record, WIRE_ALLOC, sizeof(*record));
}

static void put_fork(struct ring *ring, uint32_t slot)
{
	struct ring_fork *record = ring__reserve(ring, sizeof(*record), NULL);

	record->slot = slot;
	ring__commit(record, RING_FORK, sizeof(*record));
}

static struct ring_fork_slot *slot_of(struct ring *ring, uint32_t slot)
{
	return (struct ring_fork_slot *)((uint8_t *)ring + FORKS_AT) + slot;
}

static int see(const struct wire_head *record, void *data)
{
	const struct wire_alloc *alloc = (const void *)record;
	const struct wire_stack *stack = (const void *)record;
	const struct wire_fork *fork = (const void *)record;
	struct seen *seen = data;
	char *line = seen->lines[seen->nr];

	assert_true(seen->nr < MAX_SEEN);
	if (record->type == WIRE_ALLOC)
		snprintf(line, 80, "%u alloc %d stack %u", record->pid, (int)alloc->addr,
			 alloc->stack);
	else if (record->type == WIRE_STACK)
		snprintf(line, 80, "%u stack %u", record->pid, stack->id);
	else if (record->type == WIRE_FORK)
		snprintf(line, 80, "%u fork %u flags %u", record->pid, fork->child, fork->flags);
	else if (record->type == WIRE_MEMORY)
		return 0;
	else
		snprintf(line, 80, "%u type %u", record->pid, record->type);
	seen->nr++;
	return 0;
}

static void pump(struct preload_source *self, struct seen *seen)
{
	assert_true(self->source.pump(&self->source, 0, see, seen) >= 0);
}

/* The next lines are these; %u in them are pids. */
#define EXPECT(seen, at, ...)                                      \
	do {                                                       \
		char want_[80];                                    \
		snprintf(want_, sizeof(want_), __VA_ARGS__);       \
		assert_true((at) < (seen)->nr);                    \
		assert_string_equal((seen)->lines[(at)++], want_); \
	} while (0)

static void test_ids_are_the_streams(void **state)
{
	pid_t one = sleeper(), two = sleeper();
	struct preload_source *self = new_source(one);
	struct ring *first = hand_over(self, one, 0), *second = hand_over(self, two, 0);
	struct seen seen = { 0 };
	size_t at = 0;

	put_stack(first, 1);
	put_alloc(first, 11, 1);
	put_alloc(first, 12, 9); /* never told of */
	put_stack(second, 1);
	put_alloc(second, 21, 1);
	pump(self, &seen);
	EXPECT(&seen, at, "%u type %u", one, WIRE_TARGET);
	EXPECT(&seen, at, "%u stack 1", one);
	EXPECT(&seen, at, "%u alloc 11 stack 1", one);
	EXPECT(&seen, at, "%u alloc 12 stack 0", one);
	EXPECT(&seen, at, "%u stack 2", two);
	EXPECT(&seen, at, "%u alloc 21 stack 2", two);
	assert_int_equal(at, seen.nr);
	end(one);
	end(two);
	self->source.close(&self->source);
	assert_true(first->flags & RING_CLOSED);
	munmap(first, ALL_BYTES);
	munmap(second, ALL_BYTES);
}

/* What the child does waits for the fork, and the parent's next event for the child. */
static void test_a_child_begins_where_its_parent_forked(void **state)
{
	pid_t parent = sleeper(), child = sleeper();
	struct preload_source *self = new_source(parent);
	struct ring *outer = hand_over(self, parent, 0), *inner = hand_over(self, child, parent);
	struct seen seen = { 0 };
	size_t at = 1;

	put_alloc(inner, 31, 0);
	put_alloc(outer, 1, 0);
	put_fork(outer, 3);
	put_alloc(outer, 2, 0);
	pump(self, &seen);
	EXPECT(&seen, at, "%u alloc 1 stack 0", parent);
	assert_int_equal(at, seen.nr);
	slot_of(outer, 3)->child = (uint32_t)child;
	pump(self, &seen);
	pump(self, &seen);
	EXPECT(&seen, at, "%u fork %u flags 0", parent, child);
	EXPECT(&seen, at, "%u type %u", child, WIRE_TARGET);
	if (strstr(seen.lines[at], "alloc 31")) { /* which of two rings is read first is open */
		EXPECT(&seen, at, "%u alloc 31 stack 0", child);
		EXPECT(&seen, at, "%u alloc 2 stack 0", parent);
	} else {
		EXPECT(&seen, at, "%u alloc 2 stack 0", parent);
		EXPECT(&seen, at, "%u alloc 31 stack 0", child);
	}
	assert_int_equal(at, seen.nr);
	end(parent);
	end(child);
	self->source.close(&self->source);
	munmap(outer, ALL_BYTES);
	munmap(inner, ALL_BYTES);
}

static void test_a_fork_that_failed_holds_nobody_up_for_long(void **state)
{
	pid_t parent = sleeper();
	struct preload_source *self = new_source(parent);
	struct ring *ring = hand_over(self, parent, 0);
	struct seen seen = { 0 };
	size_t at = 1;

	put_fork(ring, 0);
	put_alloc(ring, 2, 0);
	slot_of(ring, 0)->done = RING_FORK_FAILED;
	put_fork(ring, 1);
	put_alloc(ring, 3, 0);
	slot_of(ring, 1)->done = RING_FORK_OVER;
	pump(self, &seen);
	EXPECT(&seen, at, "%u alloc 2 stack 0", parent);
	assert_int_equal(at, seen.nr);
	for (int i = 0; i < 300 && seen.nr < 3; i++) {
		pump(self, &seen);
		usleep(10000);
	}
	EXPECT(&seen, at, "%u alloc 3 stack 0", parent);
	end(parent);
	self->source.close(&self->source);
	munmap(ring, ALL_BYTES);
}

static void test_exec_and_end(void **state)
{
	pid_t pid = sleeper();
	struct preload_source *self = new_source(pid);
	struct ring *first = hand_over(self, pid, 0), *second = hand_over(self, pid, 0);
	struct seen seen = { 0 };
	size_t at = 1;

	put_alloc(first, 1, 0);
	put_alloc(second, 2, 0);
	ring__reserve(second, 48, NULL); /* and it is killed there */
	pump(self, &seen);
	EXPECT(&seen, at, "%u alloc 1 stack 0", pid);
	EXPECT(&seen, at, "%u type %u", pid, WIRE_EXEC);
	EXPECT(&seen, at, "%u alloc 2 stack 0", pid);
	assert_int_equal(at, seen.nr);
	end(pid);
	for (int i = 0; i < 100 && !self->ended; i++) {
		pump(self, &seen);
		usleep(10000);
	}
	EXPECT(&seen, at, "%u type %u", pid, WIRE_LOST);
	EXPECT(&seen, at, "%u type %u", pid, WIRE_END);
	EXPECT(&seen, at, "0 type %u", WIRE_END);
	assert_int_equal(at, seen.nr);
	self->source.close(&self->source);
	munmap(first, ALL_BYTES);
	munmap(second, ALL_BYTES);
}

static void test_stop_ends_at_once(void **state)
{
	pid_t pid = sleeper();
	struct preload_source *self = new_source(pid);
	struct ring *ring = hand_over(self, pid, 0);
	struct seen seen = { 0 };
	size_t at = 1;

	put_alloc(ring, 1, 0);
	self->source.stop(&self->source);
	assert_true(ring->flags & RING_CLOSED);
	put_alloc(ring, 2, 0);
	pump(self, &seen);
	EXPECT(&seen, at, "%u alloc 1 stack 0", pid);
	EXPECT(&seen, at, "%u type %u", pid, WIRE_END);
	EXPECT(&seen, at, "0 type %u", WIRE_END);
	assert_int_equal(at, seen.nr);
	end(pid);
	self->source.close(&self->source);
	munmap(ring, ALL_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids_are_the_streams),
		cmocka_unit_test(test_a_child_begins_where_its_parent_forked),
		cmocka_unit_test(test_a_fork_that_failed_holds_nobody_up_for_long),
		cmocka_unit_test(test_exec_and_end),
		cmocka_unit_test(test_stop_ends_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

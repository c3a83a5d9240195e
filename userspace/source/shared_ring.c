// SPDX-License-Identifier: BSD-2-Clause
#include "source/shared_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/util.h"
#include "trace/record.h"

#define MAX_CATALOGUE (64u << 20)

/* The first word of a record, as its type and size have it in this machine's order. */
union first_word {
	struct {
		uint16_t type;
		uint16_t size;
	} head;
	uint32_t word;
};

static bool lies_within(uint32_t offset, uint32_t size, size_t bytes)
{
	return offset >= sizeof(struct ring) && offset % 8 == 0 && (uint64_t)offset + size <= bytes;
}

/* Believes the header, once. */
static int read_header(struct shared_ring *self)
{
	const volatile struct ring *ring = self->ring;
	uint32_t magic = __atomic_load_n(&self->ring->magic, __ATOMIC_ACQUIRE);
	uint32_t data = ring->data_offset, catalogue = ring->catalogue_offset;
	uint32_t forks = ring->forks_offset;

	self->data_size = ring->data_size;
	self->catalogue_size = ring->catalogue_size;
	self->producer = ring->producer;
	self->parent = ring->parent;
	self->starter = ring->starter;
	if (magic != RING_MAGIC || ring->version != RING_VERSION ||
	    self->data_size < RING_MIN_SIZE || self->data_size > RING_MAX_SIZE ||
	    self->data_size & (self->data_size - 1) || self->catalogue_size > MAX_CATALOGUE ||
	    !lies_within(data, self->data_size, self->mapped_bytes) ||
	    !lies_within(catalogue, self->catalogue_size, self->mapped_bytes) ||
	    !lies_within(forks, RING_FORK_SLOTS * sizeof(*self->forks), self->mapped_bytes))
		return -EBADMSG;
	self->data = (uint8_t *)self->ring + data;
	self->catalogue = (const uint8_t *)self->ring + catalogue;
	self->forks = (const struct ring_fork_slot *)((const uint8_t *)self->ring + forks);
	return 0;
}

/* A file that shrinks would kill who reads it, and so would large pages, which run out. */
static bool is_safe(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct statfs fs;

	return seals >= 0 && seals & F_SEAL_SHRINK && !fstatfs(fd, &fs) &&
	       fs.f_type != HUGETLBFS_MAGIC;
}

int shared_ring__open(struct shared_ring *self, int fd)
{
	struct stat st;
	void *memory;
	int err;

	*self = (struct shared_ring){ 0 };
	if (!is_safe(fd) || fstat(fd, &st))
		return -EBADMSG;
	if (st.st_size < (off_t)(RING_MIN_SIZE + sizeof(struct ring)) ||
	    st.st_size > (off_t)RING_MAX_SIZE + MAX_CATALOGUE + (1 << 20))
		return -EBADMSG;
	memory = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	self->ring = memory;
	self->mapped_bytes = (size_t)st.st_size;
	err = read_header(self);
	if (err)
		shared_ring__close(self);
	return err;
}

void shared_ring__stop(struct shared_ring *self)
{
	if (!self->ring)
		return;
	self->closed = true;
	__atomic_fetch_or(&self->ring->flags, RING_CLOSED, __ATOMIC_SEQ_CST);
}

void shared_ring__close(struct shared_ring *self)
{
	if (!self->ring)
		return;
	shared_ring__stop(self);
	munmap(self->ring, self->mapped_bytes);
	*self = (struct shared_ring){ 0 };
}

/* What it says makes no sense: it is not read any further. */
static enum shared_ring_state give_up(struct shared_ring *self)
{
	self->broken = true;
	shared_ring__stop(self);
	return SHARED_RING_EMPTY;
}

uint32_t shared_ring__head(struct shared_ring *self)
{
	uint32_t head = __atomic_load_n(&self->ring->head, __ATOMIC_ACQUIRE);

	if (!self->broken && (head - self->tail > self->data_size || head % 8))
		give_up(self);
	return self->broken ? self->tail : head;
}

uint32_t shared_ring__waiting(struct shared_ring *self)
{
	return shared_ring__head(self) - self->tail;
}

static uint8_t *at_tail(const struct shared_ring *self)
{
	return self->data + (self->tail & (self->data_size - 1));
}

static void advance(struct shared_ring *self, uint32_t size)
{
	memset(at_tail(self), 0, size);
	self->tail += size;
	__atomic_store_n(&self->ring->tail, self->tail, __ATOMIC_RELEASE);
}

/* What a record says of its own lengths, which is in our memory now. */
static bool is_whole(const void *record, uint16_t type, uint16_t size)
{
	const struct ring_exec *exec = record;

	if (type == RING_EXEC)
		return size >= sizeof(*exec) && exec->path_len <= RING_EXEC_PATH &&
		       sizeof(*exec) + exec->path_len <= size;
	return record__valid(record, size);
}

enum shared_ring_state shared_ring__take(struct shared_ring *self, uint32_t until, void *buffer)
{
	union first_word first, *copy = buffer;

	while (!self->broken && self->tail != until) {
		uint32_t to_end = self->data_size - (self->tail & (self->data_size - 1));

		first.word = __atomic_load_n((uint32_t *)at_tail(self), __ATOMIC_ACQUIRE);
		if (!first.word)
			return SHARED_RING_WAITS;
		if (first.head.size < sizeof(struct wire_head) || first.head.size % 8 ||
		    first.head.size > min(to_end, until - self->tail))
			return give_up(self);
		if (first.head.type == RING_PAD) {
			advance(self, first.head.size);
			continue;
		}
		memcpy(buffer, at_tail(self), first.head.size);
		copy->word = first.word;
		if (first.head.type == RING_FORK)
			return first.head.size == sizeof(struct ring_fork) ? SHARED_RING_TAKEN
									   : give_up(self);
		if (!is_whole(buffer, first.head.type, first.head.size))
			return give_up(self);
		advance(self, first.head.size);
		return SHARED_RING_TAKEN;
	}
	return SHARED_RING_EMPTY;
}

void shared_ring__pass(struct shared_ring *self)
{
	advance(self, sizeof(struct ring_fork));
}

struct ring_fork_slot shared_ring__fork(const struct shared_ring *self,
					const struct ring_fork *fork)
{
	const struct ring_fork_slot *slot = &self->forks[fork->slot % RING_FORK_SLOTS];

	/* In this order: where the child is not known, done was not too early. */
	return (struct ring_fork_slot){ .done = __atomic_load_n(&slot->done, __ATOMIC_ACQUIRE),
					.child = __atomic_load_n(&slot->child, __ATOMIC_ACQUIRE) };
}

bool shared_ring__take_catalogue(struct shared_ring *self, void *buffer)
{
	uint32_t used = __atomic_load_n(&self->ring->catalogue_used, __ATOMIC_ACQUIRE);
	union first_word first, *copy = buffer;

	if (self->broken || used > self->catalogue_size ||
	    self->catalogue_at + sizeof(struct wire_head) > used)
		return false;
	memcpy(&first, self->catalogue + self->catalogue_at, sizeof(first));
	if (first.head.size > used - self->catalogue_at ||
	    first.head.size < sizeof(struct wire_head)) {
		give_up(self);
		return false;
	}
	memcpy(buffer, self->catalogue + self->catalogue_at, first.head.size);
	copy->word = first.word;
	if (!record__valid(buffer, first.head.size)) {
		give_up(self);
		return false;
	}
	self->catalogue_at += first.head.size;
	return true;
}

uint32_t shared_ring__nr_lost(struct shared_ring *self)
{
	uint32_t nr = __atomic_load_n(&self->ring->lost, __ATOMIC_RELAXED) - self->nr_lost_told;

	self->nr_lost_told += nr;
	return nr;
}

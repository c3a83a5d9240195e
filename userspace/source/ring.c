// SPDX-License-Identifier: BSD-2-Clause
#include "source/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include "wire.h"

/* The producers read our position for every record: telling them less often saves cache misses. */
#define RECORDS_PER_RELEASE 32

int ring__open(struct ring *ring, int map_fd, size_t size)
{
	void *map;

	*ring = (struct ring){ .fd = map_fd, .size = size, .page = (size_t)sysconf(_SC_PAGESIZE) };
	map = mmap(NULL, ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	ring->consumer = map;
	map = mmap(NULL, ring->page + 2 * size, PROT_READ, MAP_SHARED, map_fd, (off_t)ring->page);
	if (map == MAP_FAILED) {
		int err = -errno;

		munmap(ring->consumer, ring->page);
		ring->consumer = NULL;
		return err;
	}
	ring->producer = map;
	ring->data = (const uint8_t *)map + ring->page;
	return 0;
}

void ring__close(struct ring *ring)
{
	if (!ring->consumer)
		return;
	munmap((void *)ring->producer, ring->page + 2 * ring->size);
	munmap(ring->consumer, ring->page);
	ring->consumer = NULL;
}

uint64_t ring__head(const struct ring *ring)
{
	return __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
}

uint64_t ring__waiting(const struct ring *ring)
{
	return ring__head(ring) - *ring->consumer;
}

long ring__take(struct ring *ring, uint64_t until, record_fn take, void *data)
{
	uint64_t at = *ring->consumer;
	long nr = 0;
	int err = 0;

	while (!err && at < until) {
		const uint32_t *header = (const uint32_t *)(ring->data + (at & (ring->size - 1)));
		uint32_t length = __atomic_load_n(header, __ATOMIC_ACQUIRE);

		if (length & BPF_RINGBUF_BUSY_BIT)
			break;
		if (!(length & BPF_RINGBUF_DISCARD_BIT)) {
			err = take((const struct wire_head *)(header + 2), data);
			nr++;
		}
		length &= ~BPF_RINGBUF_DISCARD_BIT;
		at += WIRE_PAD8(length + BPF_RINGBUF_HDR_SZ);
		if (nr % RECORDS_PER_RELEASE == 0)
			__atomic_store_n(ring->consumer, at, __ATOMIC_RELEASE);
	}
	__atomic_store_n(ring->consumer, at, __ATOMIC_RELEASE);
	return err ? err : nr;
}

// SPDX-License-Identifier: BSD-2-Clause
#include "source/mapevents.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"

#define DATA_PAGES 16 /* a CPU: a power of two */
#define MAX_RECORD 65536

struct mapevents_cpu {
	int fd;
	struct perf_event_mmap_page *page;
};

/* perf_event_open(2), PERF_RECORD_MMAP2. */
struct mmap2_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t addr, len, offset;
	uint32_t major, minor;
	uint64_t inode, generation;
	uint32_t protection, flags;
	char path[];
};

/* What attr.sample_id_all appends for PERF_SAMPLE_TID | PERF_SAMPLE_TIME. */
struct sample_id {
	uint32_t pid, tid;
	uint64_t time_ns;
};

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static int open_cpu(struct mapevents_cpu *cpu, int number)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
		.sample_id_all = 1,
		.mmap = 1,
		.mmap2 = 1,
		.watermark = 1, /* wake the reader at each event: code just mapped runs at once */
		.wakeup_watermark = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
	void *page;

	cpu->fd = (int)syscall(SYS_perf_event_open, &attr, -1, number, -1, PERF_FLAG_FD_CLOEXEC);
	if (cpu->fd < 0)
		return -errno;
	page = mmap(NULL, (1 + DATA_PAGES) * page_size(), PROT_READ | PROT_WRITE, MAP_SHARED,
		    cpu->fd, 0);
	if (page == MAP_FAILED) {
		int err = -errno;

		close(cpu->fd);
		return err;
	}
	cpu->page = page;
	return 0;
}

int mapevents__open(struct mapevents *events)
{
	long nr = sysconf(_SC_NPROCESSORS_CONF);
	int err = -ENODEV;

	*events = (struct mapevents){ .cpus = xcalloc((size_t)max(nr, 1l), sizeof(*events->cpus)) };
	for (int number = 0; number < nr; number++) {
		err = open_cpu(&events->cpus[events->nr_cpus], number);
		if (!err)
			events->nr_cpus++;
		else if (err != -ENODEV) /* a CPU that is offline */
			break;
	}
	if (err && err != -ENODEV)
		mapevents__close(events);
	return events->nr_cpus ? 0 : err;
}

void mapevents__close(struct mapevents *events)
{
	for (size_t i = 0; i < events->nr_cpus; i++) {
		munmap(events->cpus[i].page, (1 + DATA_PAGES) * page_size());
		close(events->cpus[i].fd);
	}
	free(events->cpus);
	*events = (struct mapevents){ 0 };
}

void mapevents__watch(const struct mapevents *events, int epoll)
{
	struct epoll_event event = { .events = EPOLLIN };

	for (size_t i = 0; i < events->nr_cpus; i++)
		epoll_ctl(epoll, EPOLL_CTL_ADD, events->cpus[i].fd, &event);
}

/* Copies a record, which may wrap around the end of the data, out of the ring. */
static void copy_out(const struct mapevents_cpu *cpu, uint64_t at, void *to, size_t len)
{
	const uint8_t *data = (const uint8_t *)cpu->page + page_size();
	size_t size = DATA_PAGES * page_size(), offset = at & (size - 1);
	size_t first = min(len, size - offset);

	memcpy(to, data + offset, first);
	memcpy((uint8_t *)to + first, data, len - first);
}

void mapevents__drain(struct mapevents *events,
		      void (*visit)(pid_t pid, const struct target_mapping *mapping,
				    uint64_t time_ns, void *data),
		      void *data)
{
	static union {
		struct mmap2_record mmap2;
		uint8_t bytes[MAX_RECORD];
	} record;

	for (size_t i = 0; i < events->nr_cpus; i++) {
		struct mapevents_cpu *cpu = &events->cpus[i];
		uint64_t head = __atomic_load_n(&cpu->page->data_head, __ATOMIC_ACQUIRE);
		uint64_t at = cpu->page->data_tail;

		while (at < head) {
			struct perf_event_header header;
			struct sample_id id;

			copy_out(cpu, at, &header, sizeof(header));
			copy_out(cpu, at, record.bytes, header.size);
			at += header.size;
			if (header.type == PERF_RECORD_LOST)
				events->lost = true;
			if (header.type != PERF_RECORD_MMAP2 ||
			    header.size <= sizeof(struct mmap2_record) + sizeof(id))
				continue;
			memcpy(&id, record.bytes + header.size - sizeof(id), sizeof(id));
			record.bytes[header.size - sizeof(id)] = '\0';
			visit((pid_t)record.mmap2.pid,
			      &(struct target_mapping){
				      .start = record.mmap2.addr,
				      .end = record.mmap2.addr + record.mmap2.len,
				      .offset = record.mmap2.offset,
				      .path = record.mmap2.path,
			      },
			      id.time_ns, data);
		}
		__atomic_store_n(&cpu->page->data_tail, at, __ATOMIC_RELEASE);
	}
}

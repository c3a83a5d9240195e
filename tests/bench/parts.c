// SPDX-License-Identifier: BSD-2-Clause
/*
 * parts PID nothing|call|walk|intern|records: probes a process as heaptap does, but its programs
 * stop after that part of their work. Each line on standard input is answered with how often they
 * ran since the one before, and the ns they took. What a part costs is the difference to the part
 * before.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/util.h"
#include "inject_abi.h"
#include "bench/parts.skel.h"
#include "probe/allocators.h"
#include "probe/link.h"
#include "probe/target.h"
#include "source/ring.h"
#include "source/unwind_space.h"
#include "source/unwind_tables.h"
#include "symbol/elf.h"
#include "unwind/cache.h"

#define RING_BYTES (8u << 20)

static const char *const names[] = { "nothing", "call", "walk", "intern", "records" };

struct parts {
	pid_t pid;
	struct parts_bpf *bpf;
	struct unwind_tables tables;
	struct unwind_slots slots;
	struct unwind_space space;
	struct ring ring;
	struct links links;
	size_t nr_probed;
};

static int probe(struct parts *parts, struct elf_file *elf, const char *path)
{
	struct link_programs programs = { bpf_program__fd(parts->bpf->progs.parts), -1, -1 };
	struct probe_site *sites = NULL;
	int nr = allocators__find(elf, NULL, NULL, &sites), err = 0;

	if (nr > 0) {
		err = links__attach(&parts->links, LINK_SESSION, &programs, path, parts->pid,
				    parts->space.process->slot, sites, (size_t)nr);
		parts->nr_probed += (size_t)nr;
	}
	free(sites);
	return err;
}

/* Each file has one executable mapping in what is measured. */
static int add_mapping(const struct target_mapping *mapping, void *data)
{
	struct parts *parts = data;
	struct unwind_table *table = NULL;
	char path[PATH_MAX + 64];
	struct elf_file *elf;
	uint64_t vaddr;
	int fd, err = 0;

	fd = target__open_mapped(parts->pid, mapping->start, mapping->end, mapping->path, path,
				 sizeof(path));
	if (fd < 0)
		return 0;
	elf = elf__open(fd);
	if (elf && !elf__offset_to_vaddr(elf, mapping->offset, &vaddr)) {
		table = cache__table(fd, NULL, NULL);
		unwind_space__map(&parts->space, mapping->start, mapping->end, vaddr,
				   unwind_tables__add(&parts->tables, table));
		err = probe(parts, elf, path);
	}
	unwind_table__free(table);
	elf__close(elf);
	close(fd);
	return err;
}

static int load(struct parts *parts, uint32_t last_part)
{
	struct parts_bpf *bpf = parts->bpf = parts_bpf__open();
	struct bpf_program *program;

	if (!bpf)
		return -errno;
	bpf_object__for_each_program(program, bpf->obj)
		bpf_program__set_autoload(program, program == bpf->progs.parts);
	bpf_program__set_expected_attach_type(
		bpf->progs.parts, (enum bpf_attach_type)link_kind__attach_type(LINK_SESSION));
	bpf_map__set_max_entries(bpf->maps.ring, RING_BYTES);
	bpf->rodata->cfg_wake_bytes = RING_BYTES;
	bpf->rodata->cfg_last_part = last_part;
	return parts_bpf__load(bpf);
}

static int attach(struct parts *parts)
{
	struct unwind_map_fds fds = {
		.modules = bpf_map__fd(parts->bpf->maps.unwind_modules),
		.rules = bpf_map__fd(parts->bpf->maps.unwind_rules),
		.chunks = bpf_map__fd(parts->bpf->maps.unwind_chunks),
	};
	int err = unwind_tables__open(&parts->tables, &fds);

	if (!err)
		err = unwind_slots__open(&parts->slots, bpf_map__fd(parts->bpf->maps.processes),
					 bpf_map__fd(parts->bpf->maps.unwind_ranges),
					 bpf_map__max_entries(parts->bpf->maps.unwind_ranges));
	if (!err)
		err = unwind_space__open(&parts->space, &parts->slots);

	if (!err)
		err = ring__open(&parts->ring, bpf_map__fd(parts->bpf->maps.ring), RING_BYTES);
	if (!err)
		err = target__for_each_mapping(parts->pid, add_mapping, parts);
	if (err)
		return err;
	unwind_space__publish(&parts->space);
	parts->bpf->bss->watching = 1;
	return parts->nr_probed ? 0 : -ENOENT;
}

static int drop(const struct wire_head *record, void *data)
{
	return 0;
}

static void *drain(void *data)
{
	struct ring *ring = data;

	for (;;) {
		ring__take(ring, ring__head(ring), drop, NULL);
		usleep(2000);
	}
	return NULL;
}

/* Answers lines until there are no more. */
static int answer(struct parts *parts)
{
	struct bpf_prog_info last = { 0 };
	char line[16];

	while (fgets(line, sizeof(line), stdin)) {
		struct bpf_prog_info info = { 0 };
		uint32_t len = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(parts->bpf->progs.parts), &info, &len))
			return -errno;
		printf("%llu %llu %llu\n", info.run_cnt - last.run_cnt,
		       info.run_time_ns - last.run_time_ns, parts->bpf->bss->nr_lost);
		fflush(stdout);
		last = info;
	}
	return 0;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

int main(int argc, char **argv)
{
	struct parts parts = { .pid = argc > 1 ? atoi(argv[1]) : 0 };
	uint32_t part = 0;
	pthread_t drainer;
	int stats, err;

	while (argc == 3 && part < ARRAY_SIZE(names) && strcmp(argv[2], names[part]))
		part++;
	if (argc != 3 || part == ARRAY_SIZE(names)) {
		fprintf(stderr, "parts PID nothing|call|walk|intern|records\n");
		return 2;
	}
	libbpf_set_print(quiet);
	/* Counted as long as this is open. */
	stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	err = stats < 0 ? stats : load(&parts, part);
	if (!err)
		err = attach(&parts);
	if (!err)
		err = -pthread_create(&drainer, NULL, drain, &parts.ring);
	if (!err) {
		printf("ready\n");
		fflush(stdout);
		err = answer(&parts);
	}
	links__detach(&parts.links);
	if (err)
		fprintf(stderr, "parts: process %d cannot be probed by session links: %s\n",
			parts.pid, strerror(-err));
	return err ? 1 : 0;
}

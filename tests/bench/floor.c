// SPDX-License-Identifier: BSD-2-Clause
/*
 * floor PID chosen|first: puts empty programs where heaptap puts its probes, or on the first
 * instruction of each function. No tool that probes the same calls can cost less than the former.
 *
 * Prints "ready", stays attached until its standard input ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "base/util.h"
#include "bench/floor.skel.h"
#include "probe/allocators.h"
#include "probe/link.h"
#include "symbol/elf.h"

static int find_sites(const char *path, bool first, struct probe_site **sites)
{
	struct elf_file *elf = NULL;
	int nr = -ENOEXEC;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	elf = elf__open(fd);
	if (elf)
		nr = allocators__find(elf, NULL, NULL, sites);
	for (int i = 0; first && i < nr; i++)
		elf__vaddr_to_offset(elf, (*sites)[i].vaddr, &(*sites)[i].file_offset);
	elf__close(elf);
	close(fd);
	return nr;
}

/* The first file with an allocator among those the process has mapped executable. */
static int find_library(pid_t pid, bool first, char *path, struct probe_site **sites)
{
	char maps_path[64], line[PATH_MAX + 100];
	FILE *maps;
	int nr = 0;

	snprintf(maps_path, sizeof(maps_path), "/proc/%d/maps", pid);
	maps = fopen(maps_path, "re");
	if (!maps)
		return -errno;
	while (nr <= 0 && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%*s r-xp %*s %*s %*s %4095s", path) == 1 && *path == '/')
			nr = find_sites(path, first, sites);
	}
	fclose(maps);
	return nr ? nr : -ENOENT;
}

static int attach(struct links *links, enum link_kind kind, const char *path, pid_t pid,
		  const struct probe_site *sites, size_t nr)
{
	enum bpf_attach_type type = (enum bpf_attach_type)link_kind__attach_type(kind);
	struct floor_bpf *bpf = floor_bpf__open();
	struct link_programs programs;
	int err;

	if (!bpf)
		return -errno;
	bpf_program__set_autoload(bpf->progs.session, kind == LINK_SESSION);
	bpf_program__set_autoload(bpf->progs.apart, kind != LINK_SESSION);
	bpf_program__set_expected_attach_type(bpf->progs.session, type);
	bpf_program__set_expected_attach_type(bpf->progs.apart, type);
	err = floor_bpf__load(bpf);
	if (!err) {
		programs.session = bpf_program__fd(bpf->progs.session);
		programs.enter = bpf_program__fd(bpf->progs.apart);
		programs.leave = programs.enter;
		err = links__attach(links, kind, &programs, path, pid, 0, sites, nr);
	}
	/* The links keep the programs. */
	floor_bpf__destroy(bpf);
	return err;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

int main(int argc, char **argv)
{
	bool first = argc == 3 && !strcmp(argv[2], "first");
	struct probe_site *sites = NULL;
	struct links links = { 0 };
	char path[PATH_MAX], byte;
	int kind, nr, err = -ENOENT;

	if (argc != 3) {
		fprintf(stderr, "floor PID chosen|first\n");
		return 2;
	}
	pid_t pid = atoi(argv[1]);
	libbpf_set_print(quiet);
	nr = find_library(pid, first, path, &sites);
	for (kind = 0; nr > 0 && err && kind < NR_LINK_KINDS; kind++)
		err = attach(&links, kind, path, pid, sites, (size_t)nr);
	if (err) {
		fprintf(stderr, "floor: cannot probe process %d: %s\n", pid, strerror(-err));
		return 1;
	}
	for (int i = 0; i < nr; i++)
		fprintf(stderr, "%s+%u %s%s\n", sites[i].fn->symbol, sites[i].place.offset,
			sites[i].place.text, sites[i].place.emulated ? "" : " (single-stepped)");
	printf("ready %s\n", link_kind__name(kind - 1));
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	links__detach(&links);
	free(sites);
	return 0;
}

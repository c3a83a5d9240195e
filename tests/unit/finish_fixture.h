/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of finish.h share: this process's mappings, stacks of it, walks of them. */
#ifndef FINISH_FIXTURE_H
#define FINISH_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/log.h"
#include "capture.h"
#include "symbol/elf.h"
#include "unwind/finish.h"

#define NOINLINE __attribute__((noinline, noclone))
/* A call before it stays a call. */
#define AFTER()	   __asm__ volatile("")
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static struct finish *finish;
static struct capture capture;
static uint64_t frames[CAPTURE_MAX_FRAMES];
static size_t nr_frames;
static bool complete;

/* The path of this program. */
static const char *program(void)
{
	static char path[PATH_MAX];

	return realpath("/proc/self/exe", path);
}

static uint64_t vaddr_of(int fd, uint64_t offset)
{
	struct elf_file *elf = elf__open(fd);
	uint64_t vaddr;

	assert_non_null(elf);
	assert_int_equal(elf__offset_to_vaddr(elf, offset, &vaddr), 0);
	elf__close(elf);
	return vaddr;
}

/* Tells of the mappings of files whose path has a part; the content is that of other, when it is a
 * descriptor. Descriptors stay open to the end of the program. Returns how many there were. */
static size_t map_files(const char *part_of_path, int other)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uint64_t start, end, offset;
	char line[4096], path[4096];
	size_t nr = 0;
	char execute;
	int fd;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*c%*c%c%*c %" SCNx64 " %*s %*s %4095s",
			   &start, &end, &execute, &offset, path) != 5 ||
		    execute != 'x' || path[0] != '/' || !strstr(path, part_of_path))
			continue;
		fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		finish__map(finish, start, end, vaddr_of(fd, offset), other < 0 ? fd : other, path);
		nr++;
	}
	fclose(maps);
	return nr;
}

static void walk_up_to(size_t len, size_t max)
{
	nr_frames = finish__walk(finish, capture.regs, true, capture.stack, capture.stack_address,
				 len, frames, max, &complete);
	assert_in_range(nr_frames, 1, max);
	assert_int_equal(frames[0], capture.regs[CAPTURE_PC]);
}

static void walk(void)
{
	walk_up_to(capture.stack_len, CAPTURE_MAX_FRAMES);
}

static void expect_prefix(void)
{
	assert_true(nr_frames <= capture.nr_expected);
	assert_memory_equal(frames + 1, capture.expected + 1, (nr_frames - 1) * sizeof(*frames));
}

static void expect_all(void)
{
	expect_prefix();
	assert_int_equal(nr_frames, capture.nr_expected);
	assert_true(complete);
}

static void expect_cut(size_t nr)
{
	expect_prefix();
	assert_int_equal(nr_frames, nr);
	assert_false(complete);
}

static int set_up(void **state)
{
	log__set_level(LOG_ERROR);
	finish = finish__new();
	return map_files("/", -1) < 2;
}

static int tear_down(void **state)
{
	finish__free(finish);
	/* No child stays. */
	return waitpid(-1, NULL, WNOHANG) != -1;
}

static NOINLINE void three(int depth)
{
	if (depth)
		three(depth - 1);
	else
		capture_here(&capture);
	AFTER();
}

static NOINLINE void two(void)
{
	three(5);
	AFTER();
}

#endif /* FINISH_FIXTURE_H */

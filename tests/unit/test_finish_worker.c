// SPDX-License-Identifier: BSD-2-Clause
/* Files that are no modules, or damaged, and a worker that dies, hangs or is left alone. */
#include "finish_fixture.h"

#include <dirent.h>
#include <elf.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

static void test_strange_files(void **state)
{
	uint64_t page;
	int files[] = { -1,
			12345,
			open("/", O_RDONLY | O_CLOEXEC),
			open("/dev/zero", O_RDONLY | O_CLOEXEC),
			open("/etc/passwd", O_RDONLY | O_CLOEXEC),
			memfd_create("empty", 0) };

	two();
	page = capture.regs[CAPTURE_PC] & ~0xfffull;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		finish__map(finish, page, page + 0x1000, 0x1000, files[i], "strange");
		walk();
		expect_cut(1);
	}
	map_files("/", -1);
	walk();
	expect_all();
	for (size_t i = 2; i < ARRAY_SIZE(files); i++)
		close(files[i]);
}

/* ---- the worker --------------------------------------------------------------------------- */

/* The child of parent that is a worker; 0: none. */
static pid_t worker_of(pid_t parent)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	pid_t found = 0;

	assert_non_null(proc);
	while (!found && (entry = readdir(proc))) {
		char path[300], name[64], state;
		FILE *stat;
		int pid, ppid;

		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		stat = fopen(path, "re");
		if (!stat)
			continue;
		if (fscanf(stat, "%d (%63[^)]) %c %d", &pid, name, &state, &ppid) == 4 &&
		    ppid == parent && state != 'Z' && !strcmp(name, "heaptap-finish"))
			found = pid;
		fclose(stat);
	}
	closedir(proc);
	return found;
}

static void test_killed(void **state)
{
	two();
	for (int i = 0; i < 3; i++) {
		pid_t worker;

		walk();
		expect_all();
		worker = worker_of(getpid());
		assert_int_not_equal(worker, 0);
		assert_int_equal(kill(worker, SIGKILL), 0);
		walk();
		expect_cut(1);
	}
	/* Enough of it. */
	walk();
	expect_cut(1);
	assert_int_equal(worker_of(getpid()), 0);
}

static void test_hanging(void **state)
{
	uint64_t begun;

	two();
	walk();
	kill(worker_of(getpid()), SIGSTOP);
	begun = clock__monotonic_ns();
	walk();
	expect_cut(1);
	assert_in_range(clock__monotonic_ns() - begun, NSEC_PER_SEC, 4 * NSEC_PER_SEC);
	walk();
	expect_all();
}

static void test_descriptors(void **state)
{
	char path[64], byte;
	DIR *directory;
	size_t nr = 0;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	two();
	walk();
	snprintf(path, sizeof(path), "/proc/%d/fd", worker_of(getpid()));
	close(ends[1]);
	/* It is the end of the pipe for its reader too. */
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
	directory = opendir(path);
	assert_non_null(directory);
	while (readdir(directory))
		nr++;
	closedir(directory);
	/* "." and "..", nothing and the socket, this program and the libraries met. */
	assert_in_range(nr, 2 + 4 + 1, 2 + 4 + map_files("/", -1));
}

static void test_orphan(void **state)
{
	pid_t parent, worker;
	int ends[2];

	two();
	assert_int_equal(pipe(ends), 0);
	parent = fork();
	if (!parent) {
		finish__free(finish);
		finish = finish__new();
		map_files("/", -1);
		walk();
		worker = worker_of(getpid());
		_exit(write(ends[1], &worker, sizeof(worker)) != sizeof(worker));
	}
	assert_int_equal(read(ends[0], &worker, sizeof(worker)), sizeof(worker));
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	assert_true(worker > 0);
	for (int i = 0; i < 1000 && !kill(worker, 0); i++) {
		char path[64], line[256] = "";
		FILE *stat;

		/* A zombie is dead enough: who reaps it is not our business. */
		snprintf(path, sizeof(path), "/proc/%d/stat", worker);
		stat = fopen(path, "re");
		if (!stat)
			return;
		assert_non_null(fgets(line, sizeof(line), stat));
		fclose(stat);
		if (strstr(line, ") Z"))
			return;
		usleep(5000);
	}
	assert_int_equal(kill(worker, 0), -1);
}

/* ---- hostile files ------------------------------------------------------------------------ */

struct section {
	size_t start, size;
};

static struct section find_section(const uint8_t *image, const char *name)
{
	const Elf64_Ehdr *header = (const void *)image;
	const Elf64_Shdr *sections = (const void *)(image + header->e_shoff);
	const char *names = (const char *)image + sections[header->e_shstrndx].sh_offset;

	for (size_t i = 0; i < header->e_shnum; i++) {
		if (!strcmp(names + sections[i].sh_name, name))
			return (struct section){ sections[i].sh_offset, sections[i].sh_size };
	}
	fail();
	return (struct section){ 0 };
}

static void damage(uint8_t *image, size_t size, struct section section, unsigned seed)
{
	srandom(seed);
	for (size_t i = 0; i < 1 + seed % 64; i++) {
		size_t at = section.start + (size_t)random() % section.size;

		if (at < size)
			image[at] = (uint8_t)random();
	}
}

/* Each in a process of its own, all with limited patience. */
static void walk_damaged(const uint8_t *image, size_t size)
{
	int fd = memfd_create("damaged", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, image, size), size);
	finish__free(finish);
	finish = finish__new();
	map_files("/", -1);
	assert_int_equal(map_files(program(), fd), 1);
	walk();
	close(fd);
}

static void test_damaged(void **state)
{
	static const char *const names[] = { ".eh_frame", ".eh_frame_hdr", "" };
	uint8_t *image, *copy;
	size_t size, nr_complete = 0;

	image = (uint8_t *)file__read_all("/proc/self/exe", 256 << 20, &size);
	assert_non_null(image);
	copy = xmalloc(size);
	two();
	for (unsigned seed = 0; seed < 150; seed++) {
		struct section section = { 0, 4096 };
		const char *name = names[seed % ARRAY_SIZE(names)];

		if (*name)
			section = find_section(image, name);
		memcpy(copy, image, size);
		damage(copy, size, section, seed);
		walk_damaged(copy, size);
		nr_complete += complete;
	}
	assert_int_not_equal(nr_complete, 0);
	for (size_t len = size / 2; len; len /= 2)
		walk_damaged(image, len);
	free(copy);
	free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_strange_files), TEST(test_killed), TEST(test_hanging),
		TEST(test_descriptors),	  TEST(test_orphan), TEST(test_damaged),
	};

	return cmocka_run_group_tests_name("finish_worker", tests, NULL, NULL);
}

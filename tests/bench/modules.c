// SPDX-License-Identifier: BSD-2-Clause
/*
 * modules FOLDER: loads every library of a folder, then reads the clock without end. Each line on
 * standard input is answered with the longest time between two readings since the one before, in
 * ns: as long as anybody has held this process up.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static _Atomic uint64_t longest_ns;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void *read_clock(void *data)
{
	uint64_t last = now_ns(), now;

	for (;; last = now) {
		now = now_ns();
		if (now - last > longest_ns)
			longest_ns = now - last;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	DIR *folder = argc > 1 ? opendir(argv[1]) : NULL;
	struct dirent *entry;
	char path[PATH_MAX], line[16];
	pthread_t thread;
	int nr = 0;

	while (folder && (entry = readdir(folder))) {
		snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		nr += entry->d_name[0] != '.' && dlopen(path, RTLD_NOW);
	}
	if (pthread_create(&thread, NULL, read_clock, NULL))
		return 1;
	printf("%d\n", nr);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		printf("%llu\n", (unsigned long long)atomic_exchange(&longest_ns, 0));
		fflush(stdout);
	}
	return 0;
}

// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/fail_jobs.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "fail/run.h"

#define MAX_JOBS 256
#define TICK_MS	 100

struct fail_shared *fail_shared__new(void)
{
	void *shared = mmap(NULL, sizeof(struct fail_shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return shared == MAP_FAILED ? NULL : shared;
}

void fail_shared__free(struct fail_shared *shared)
{
	if (shared)
		munmap(shared, sizeof(*shared));
}

uint64_t fail_shared__next_run(struct fail_shared *shared)
{
	return __atomic_add_fetch(&shared->nr_runs, 1, __ATOMIC_RELAXED);
}

void fail_shared__count(struct fail_shared *shared, bool is_new, bool is_fault)
{
	__atomic_add_fetch(&shared->nr_found, is_new, __ATOMIC_RELAXED);
	__atomic_add_fetch(&shared->nr_faults, is_fault, __ATOMIC_RELAXED);
}

void fail_shared__add_id(struct fail_shared *shared, uint64_t id)
{
	uint64_t at = __atomic_fetch_add(&shared->nr_ids, 1, __ATOMIC_RELAXED);

	if (at < ARRAY_SIZE(shared->ids))
		shared->ids[at] = id;
}

static pid_t begin(int (*work)(void *data, unsigned number), void *data, unsigned number)
{
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EINTR);
	_exit(work(data, number));
}

/* Returns how many have ended; *err: of the first that could not do it. */
static unsigned collect(pid_t *pids, unsigned nr, int *err)
{
	unsigned nr_ended = 0;
	int status;

	for (unsigned i = 0; i < nr; i++) {
		if (pids[i] <= 0 || waitpid(pids[i], &status, WNOHANG) != pids[i])
			continue;
		pids[i] = 0;
		nr_ended++;
		/* That one was told to end early says less than any other reason. */
		if ((*err && *err != -EINTR) || !status)
			continue;
		*err = WIFEXITED(status) ? -WEXITSTATUS(status) : -EFAULT;
	}
	return nr_ended;
}

int fail_jobs__run(unsigned nr, int (*work)(void *data, unsigned number),
		   void (*progress)(void *data), void *data)
{
	unsigned nr_living = 0;
	pid_t pids[MAX_JOBS];
	bool told = false;
	int err = 0;

	nr = min(nr, (unsigned)MAX_JOBS);
	for (unsigned i = 0; i < nr; i++) {
		pids[i] = begin(work, data, i);
		nr_living += pids[i] > 0;
		if (pids[i] < 0 && !err)
			err = -errno;
	}
	while (nr_living) {
		nr_living -= collect(pids, nr, &err);
		for (unsigned i = 0; i < nr && fail_run__is_over() && !told; i++)
			if (pids[i] > 0)
				kill(pids[i], SIGTERM);
		told = fail_run__is_over();
		progress(data);
		if (nr_living)
			poll(NULL, 0, TICK_MS);
	}
	return err;
}

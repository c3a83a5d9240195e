// SPDX-License-Identifier: BSD-2-Clause
#include "probe/closing.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/util.h"

/* Waiting costs a thread next to nothing, but not nothing. */
#define MAX_THREADS 64
#define STACK_BYTES (64u << 10)

static struct {
	pthread_mutex_t lock;
	pthread_cond_t all_gone;
	struct links waiting; /* not taken by a thread yet */
	unsigned nr_threads;
} closing = { .lock = PTHREAD_MUTEX_INITIALIZER, .all_gone = PTHREAD_COND_INITIALIZER };

/* Takes a link from those that wait; -1: there are none, and the thread is not counted any more. */
static int next_link(void)
{
	int fd = -1;

	pthread_mutex_lock(&closing.lock);
	if (closing.waiting.nr)
		fd = closing.waiting.fds[--closing.waiting.nr];
	else if (!--closing.nr_threads)
		pthread_cond_broadcast(&closing.all_gone);
	pthread_mutex_unlock(&closing.lock);
	return fd;
}

static void *close_links(void *data)
{
	int fd;

	while ((fd = next_link()) >= 0)
		close(fd);
	return NULL;
}

/* Starts a thread that takes no signals: those are for the main one. 0 or an errno value. */
static int start_thread(void)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int err;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, max((size_t)STACK_BYTES, (size_t)PTHREAD_STACK_MIN));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&thread, &attributes, close_links, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return err;
}

/* A forked child has copies of all links. The last copy to be closed waits for the kernel, and were
 * that the child's, who expects it to end soon would wait as well: so none is closed meanwhile. */
static void before_fork(void)
{
	pthread_mutex_lock(&closing.lock);
	while (closing.nr_threads)
		pthread_cond_wait(&closing.all_gone, &closing.lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&closing.lock);
}

static void mind_forks(void)
{
	pthread_atfork(before_fork, after_fork, after_fork);
}

void closing__add(struct links *links)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, mind_forks);
	pthread_mutex_lock(&closing.lock);
	for (size_t i = 0; i < links->nr; i++)
		links__keep(&closing.waiting, links->fds[i]);
	while (closing.nr_threads < MAX_THREADS && closing.nr_threads < closing.waiting.nr &&
	       !start_thread())
		closing.nr_threads++;
	pthread_mutex_unlock(&closing.lock);
	free(links->fds);
	*links = (struct links){ 0 };
}

void closing__finish(void)
{
	pthread_mutex_lock(&closing.lock);
	while (closing.nr_threads)
		pthread_cond_wait(&closing.all_gone, &closing.lock);
	/* What no thread could be had for. */
	links__detach(&closing.waiting);
	pthread_mutex_unlock(&closing.lock);
}

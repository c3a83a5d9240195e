/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a recording goes. Called by one thread at a time, inside malloc; no sink allocates, raises
 * a signal or waits for longer than a moment, but in open, where prepare says so. Errors are
 * -errno. */
#ifndef PRELOAD_SINK_H
#define PRELOAD_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sink {
	/* What the program's start is the time for: names are looked up here. 0; an error that
	 * stays. */
	int (*prepare)(void);
	/* 0; -EAGAIN: it is under way, ask again; an error: later perhaps. */
	int (*open)(void);
	/* Bytes taken, at least 1; -EAGAIN: none now; an error. */
	ssize_t (*send)(const void *data, size_t len);
	/* Waits a moment for send to be worth another try. NULL: there is nothing to wait for. */
	void (*wait)(unsigned ms);
	/* Takes the last bytes back that were sent. False: they are gone for good. NULL: so are
	 * all. */
	bool (*take_back)(uint64_t nr_bytes);
	void (*close)(void);
	/* In a forked child: what is open is the parent's. */
	void (*forked)(void);
	const char *(*name)(void); /* for messages */
	/* A failed send may be tried again at the same place; else the stream is broken off. */
	bool keeps_place;
};

extern const struct sink sink_file, sink_tcp;

/* The number of an open descriptor, moved out of the way of programs that expect to get the lowest
 * or that close the first ones; -errno, and fd is closed. */
int sink__move_away(int fd);

/* Which file a descriptor is of: a program may close what it does not know, and get the number for
 * a file of its own. */
struct sink_identity {
	uint64_t device, inode;
};
struct sink_identity sink__identity(int fd);
bool sink__is_still(int fd, const struct sink_identity *identity);

#endif /* PRELOAD_SINK_H */

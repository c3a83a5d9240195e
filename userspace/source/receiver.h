/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes the streams of many senders at once, each into a file of its own (source/intake.h). What
 * one sender does, or leaves undone, is no other's trouble. */
#ifndef RECEIVER_H
#define RECEIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct listeners;

/* Streams received at once; further ones are refused. */
#define RECEIVER_MAX_STREAMS 64

struct receiver_config {
	const struct listeners *listeners;
	const char *folder;   /* for the files; NULL: the current one */
	uint64_t max_bytes;   /* of a stream */
	uint64_t nr_wanted;   /* end after so many files; 0: go on */
	uint64_t duration_ns; /* end after that time; 0: go on */
	bool (*interrupted)(void);
	/* A file is complete, or as complete as it gets. converted: it was libdumpalloc's. */
	void (*received)(const char *path, bool converted, void *data);
	void *data;
};

/* Receives until one of these ends it: a line on stderr for each stream. 0, or -errno after saying
 * what is wrong with the folder. */
int receiver__run(const struct receiver_config *config);

#endif /* RECEIVER_H */

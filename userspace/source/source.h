/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where wire records come from: a process watched by BPF, one with the preload library in it, or a
 * recording. To add one: a file that
 * returns a struct source.
 */
#ifndef SOURCE_H
#define SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct wire_head;
struct allocator_config;
struct inject_config;
struct inject_counts;

/* Takes a record; it lives until the function returns. 0, or -errno to end the pumping. */
typedef int (*record_fn)(const struct wire_head *record, void *data);

struct source {
	/*
	 * Hands on what is there, waiting up to timeout_ms for the first of it. 1: there may be
	 * more; 0: that was the end; -errno: it broke (said so), or what take returned.
	 */
	int (*pump)(struct source *source, int timeout_ms, record_fn take, void *data);
	/* Ends the watching at this moment; what happened before it still comes by pump, then its
	 * 0. */
	void (*stop)(struct source *source);
	/* A descriptor, the source's own, of the file of a module it sent; -1: none. */
	int (*module_fd)(const struct source *source, uint32_t module);
	/* A descriptor, the source's own, of the names of code the program generated, as they are
	 * now (symbol/perfmap.h); -1: none. */
	int (*perf_map_fd)(struct source *source);
	/* Waits for a launched command, which may run on unwatched. Its wait status; -1: none. */
	int (*wait_command)(struct source *source);
	/* One moment in both clocks of the machine the records are of. */
	void (*anchor)(const struct source *source, uint64_t *monotonic_ns, uint64_t *realtime_ns);
	/* Allocations and frees later than this (CLOCK_MONOTONIC) need not come any more. NULL:
	 * they all come. */
	void (*until)(struct source *source, uint64_t time_ns);
	/* How much of a file has been read, in percent; -1: nobody knows. NULL: it is no file. */
	int (*progress)(const struct source *source);
	/* How many calls were made to fail, so far (source/inject.h); NULL: it can do no such
	 * thing. */
	void (*inject_counts)(const struct source *source, struct inject_counts *counts);
	/* How the work went, on stderr; NULL: nothing to tell. */
	void (*print_stats)(const struct source *source);
	void (*close)(struct source *source);
};

struct bpf_source_config {
	bool lossless;	       /* stop the target rather than lose records */
	const char *link_kind; /* only this one (probe/link.h); NULL: the best that works */
	bool free_stacks;      /* frees have a stack, too */
	bool check_stacks;     /* compare each new stack with libdwfl's */
	bool plain_loop;       /* walk as on kernels without bpf_loop */
	bool follow;	       /* children, too */
	bool many;	       /* there may be many processes */
	bool optional;	       /* that BPF does not work here is no error: said with -v only */
	bool to_the_last;      /* go on when the launched command has ended, but not its children */
	uint64_t ring_bytes;   /* rounded up to a power of two */
	/* Functions to probe besides (probe/custom.h), the caller's; NULL: none. */
	const struct allocator_config *allocators;
	/* Calls to make fail, the caller's: then nothing else is recorded. NULL: none. */
	const struct inject_config *inject;
};

/* Watches running processes. NULL after saying in a sentence why not. */
struct source *bpf_source__attach(const struct bpf_source_config *config, const pid_t *pids,
				  size_t nr_pids);
/* Launches a command and watches it from its first instruction. Likewise; errno is EOPNOTSUPP where
 * BPF does not work here, and nothing was started. */
struct source *bpf_source__launch(const struct bpf_source_config *config, char **command);

struct preload_source_config {
	const char *library;   /* path of libheaptap-preload.so (probe/preload_lib.h) */
	bool lossless;	       /* let the target wait rather than lose records */
	bool follow;	       /* children, too */
	bool to_the_last;      /* as bpf_source_config has it */
	uint64_t ring_bytes;   /* of each process, rounded up to a power of two */
	uint32_t sample_bytes; /* as wire_target has it; 0: every allocation counts */
};

/* Launches a command with the preload library in it, without privilege. NULL after saying in a
 * sentence why not. */
struct source *preload_source__launch(const struct preload_source_config *config, char **command);

/* Reads a recording ("htap") or a stream of libdumpalloc ("dumpalloc"); from says which, NULL: what
 * it begins as. "-" is stdin. Likewise. A damaged one yields what is before the damage, then pump
 * says so and returns -EBADMSG. */
struct source *file_source__open(const char *path, const char *from);

#endif /* SOURCE_H */

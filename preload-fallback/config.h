/* SPDX-License-Identifier: BSD-2-Clause */
/* What the environment says: one table of variables, which parses them and explains them. */
#ifndef PRELOAD_CONFIG_H
#define PRELOAD_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "fail_rules.h"

#define CONFIG_MAX_PATH	  1024
/* Data of the library itself, about; with the unwinder's tables where it has some. */
#if defined(__x86_64__) || defined(__aarch64__)
#define CONFIG_STATIC_MEMORY (592u << 10)
#define CONFIG_MIN_TEXT	     "912K"
#else
#define CONFIG_STATIC_MEMORY (128u << 10)
#define CONFIG_MIN_TEXT	     "448K"
#endif
#define CONFIG_MIN_MEMORY (CONFIG_STATIC_MEMORY + (320u << 10))
#define CONFIG_MAX_MEMORY (1u << 30)

struct config {
	char file[CONFIG_MAX_PATH]; /* "": none; may have a %p */
	char server[256];	    /* HOST:PORT; "": none */
	char ring[128]; /* where a ring is handed over (bpf/ring_abi.h); "": nowhere */
	char unwind[16];
	uint32_t memory_bytes;
	uint32_t sample_bytes; /* record about one allocation for each so many; 0: all */
	uint64_t seed;	       /* of the choice; 0: another one each time */
	uint32_t wait_ms; /* a thread waits so long for room at most, once a stall */
	bool help;
	/* Failure injection: fail_rules.h, fail.h. */
	struct fail_rules fail;
	char fail_known[CONFIG_MAX_PATH]; /* ids of call paths; "": none */
	char fail_log[CONFIG_MAX_PATH];	  /* "": none */
	char fail_ignore[512];		  /* parts of names, with ; between them */
	bool fail_debug;
	/* Snapshots: snapshot.h. */
	char snapshot[CONFIG_MAX_PATH]; /* may have a %p; "": none */
	int snapshot_signal;		/* 0: none */
	const char *bad; /* name of a variable that was not understood; NULL: none */
};

/* Reads them from an environment, strings NAME=VALUE and a NULL. */
void config__read(struct config *config, char *const *environment);

/* The entry of an environment that sets `name`; NULL. */
char *const *config__find(char *const *environment, const char *name);

/* path with each %p replaced by pid, %% by %. False: it is longer than size. */
bool config__expand(char *to, uint32_t size, const char *path, uint32_t pid);

/* All variables on stderr. */
void config__help(void);

#endif /* PRELOAD_CONFIG_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/* What samples of a pprof profile refer to: mappings, locations, functions, strings, each once. */
#ifndef PPROF_TABLES_H
#define PPROF_TABLES_H

#include <stdint.h>

#include "base/protobuf.h"
#include "report/frames.h"

/* Fields of the messages of profile.proto, by its documentation. */
enum {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING_TABLE = 6,
	PROFILE_TIME_NANOS = 9,
	PROFILE_DURATION_NANOS = 10,
	PROFILE_PERIOD_TYPE = 11,
	PROFILE_PERIOD = 12,
	PROFILE_COMMENT = 13,
	PROFILE_DEFAULT_SAMPLE_TYPE = 14,
};

struct pprof_tables;

struct pprof_tables *pprof_tables__new(void);
void pprof_tables__free(struct pprof_tables *tables);

/* The number of a text; made printable, NULL is "". */
uint32_t pprof_tables__string(struct pprof_tables *tables, const char *text);

/*
 * The locations of a stack, innermost first, to ids: room for nr_frames. Returns how many they are:
 * frames that were inlined share the location of the one they are in.
 */
size_t pprof_tables__locate(struct pprof_tables *tables, const struct process *process,
			    const struct frame *frames, uint32_t nr_frames, uint64_t *ids);

/* The locations so far, as fields of the profile. */
const struct protobuf *pprof_tables__locations(const struct pprof_tables *tables);
/* The other tables likewise, appended to out: the mappings, those of the file main_path first
 * (NULL: unknown), the functions, the strings. There must be no new ones after that. */
void pprof_tables__write(struct pprof_tables *tables, const char *main_path, struct protobuf *out);

#endif /* PPROF_TABLES_H */

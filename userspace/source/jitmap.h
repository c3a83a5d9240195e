/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file in which a target names the code it generates (symbol/perfmap.h): /tmp/perf-PID.map as
 * the target sees /tmp and its own PID, else as we do. Anybody can write to /tmp: the file counts
 * only when it is the target's own or root's.
 */
#ifndef JITMAP_H
#define JITMAP_H

#include <stdbool.h>
#include <sys/types.h>

#include "probe/target.h"

struct jitmap {
	int fd;	    /* the map; -1: there is none */
	int tmp;    /* the target's /tmp, held so that it can be searched when the target is gone */
	bool known; /* the following three are */
	pid_t inner_pid; /* the target's number in its own namespace */
	uid_t real_uid, effective_uid;
	bool told; /* why a map is not used */
};

void jitmap__init(struct jitmap *map);
void jitmap__close(struct jitmap *map);

/* Learns of the target what is lost when it ends. Nothing changes when it has ended. */
void jitmap__note(struct jitmap *map, const struct target *target);
/* Likewise, then opens the map, again if need be: it may have been replaced. When it is not there
 * any more, or must not be used, the one opened before stays. */
void jitmap__look(struct jitmap *map, const struct target *target);

#endif /* JITMAP_H */

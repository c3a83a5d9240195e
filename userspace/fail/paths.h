/* SPDX-License-Identifier: BSD-2-Clause */
/* What failed in one run, as the library has written it to its log. */
#ifndef FAIL_PATHS_H
#define FAIL_PATHS_H

#include <stddef.h>
#include <stdint.h>

#include "fail/database.h"

/* Each path once, in the order of their last failures. */
struct fail_paths {
	struct fail_path *paths;
	size_t nr, capacity;
	struct fail_path *culprit; /* whose the end was for certain; NULL: they are several, and it
				    * may have been any's
				    */
};

/* Adds the failures of a log (HEAPTAP_FAIL_LOG), paths without verdicts. What is no line of the
 * library's is passed over; a file that is not there has none. 0 or -errno. */
int fail_paths__read_log(struct fail_paths *failed, const char *path);
/* NULL: that one has not failed. */
struct fail_path *fail_paths__find(const struct fail_paths *failed, uint64_t id);
void fail_paths__clear(struct fail_paths *failed);

#endif /* FAIL_PATHS_H */

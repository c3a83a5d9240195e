// SPDX-License-Identifier: BSD-2-Clause
#include "export/time_text.h"

#include <stdio.h>
#include <time.h>

#include "base/util.h"

void time_text__utc(char *text, uint64_t realtime_ns)
{
	time_t seconds = (time_t)(realtime_ns / NSEC_PER_SEC);
	struct tm utc;
	size_t len;

	gmtime_r(&seconds, &utc);
	len = strftime(text, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text + len, TIME_TEXT_MAX - len, ".%03uZ",
		 (unsigned)(realtime_ns / 1000000 % 1000));
}

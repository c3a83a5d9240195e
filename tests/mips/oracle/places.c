// SPDX-License-Identifier: BSD-2-Clause
#include "places.h"
#include "guest.h"

#include <stdio.h>
#include <string.h>

/* The emulator's own mappings are the guest's, moved by guest.base. */
void places__text(char *text, uint64_t pc)
{
	unsigned long long lo, hi, offset;
	uint64_t at = pc + guest.base;
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512], path[400];
	int nr;

	snprintf(text, PLACES_TEXT, "?+0x%llx", (unsigned long long)pc);
	while (maps && fgets(line, sizeof(line), maps)) {
		nr = sscanf(line, "%llx-%llx %*s %llx %*s %*s %399s", &lo, &hi, &offset, path);
		if (nr == 4 && path[0] == '/' && at >= lo && at < hi) {
			snprintf(text, PLACES_TEXT, "%s+0x%llx", path,
				 (unsigned long long)(at - lo + offset));
			break;
		}
	}
	if (maps)
		fclose(maps);
}

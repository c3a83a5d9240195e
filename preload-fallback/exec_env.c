// SPDX-License-Identifier: BSD-2-Clause
#include "exec_env.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "config.h"
#include "ring_abi.h"

#define NAME "libheaptap-preload.so"
#define LIST "LD_PRELOAD"
/* What is kept of one variable, and how much there may be of those to come. */
#define MAX_ENTRY     1024u
#define MAX_LIST      16384u
#define MAX_VARIABLES 16384u

/* Of these, what the program was started with: "NAME=VALUE", or "". The library comes first. */
static const char *const names[] = { LIST, RING_VARIABLE, "HEAPTAP_MEMORY", "HEAPTAP_WAIT",
				     "HEAPTAP_SAMPLE" };

#define NR_NAMES (sizeof(names) / sizeof(names[0]))

static char kept[NR_NAMES][MAX_ENTRY];

static const char *value_of(const char *entry)
{
	return strchr(entry, '=') + 1;
}

/* The library's own path, which is the first of a list. False: it is not there. */
static bool keep_library(const char *entry)
{
	size_t len = strcspn(entry, " :"), name_len = sizeof(NAME) - 1;

	if (len < name_len || len >= MAX_ENTRY || memcmp(entry + len - name_len, NAME, name_len))
		return false;
	memcpy(kept[0], entry, len);
	return true;
}

void exec_env__note(char *const *environment)
{
	char *const *entry = config__find(environment, LIST);

	if (!entry || !keep_library(*entry))
		return;
	for (size_t i = 1; i < NR_NAMES; i++) {
		entry = config__find(environment, names[i]);
		if (entry && strlen(*entry) < MAX_ENTRY)
			strcpy(kept[i], *entry);
	}
}

/* Is the library in the list already? */
static bool has_library(const char *list)
{
	const char *library = value_of(kept[0]), *found = strstr(list, library);

	return found && strchr(" :", found[strlen(library)]);
}

/* Is an entry one that is replaced? */
static bool is_ours(const char *entry)
{
	for (size_t i = 0; i < NR_NAMES; i++) {
		size_t len = strlen(names[i]);

		if (kept[i][0] && !strncmp(entry, names[i], len) && entry[len] == '=')
			return true;
	}
	return false;
}

static bool is_complete(char *const *environment)
{
	char *const *list = config__find(environment, LIST);

	if (!list || !has_library(value_of(*list)))
		return false;
	for (size_t i = 1; i < NR_NAMES; i++)
		if (kept[i][0] && !config__find(environment, names[i]))
			return false;
	return true;
}

static size_t count(char *const *environment)
{
	size_t nr = 0;

	while (environment && environment[nr] && nr < MAX_VARIABLES)
		nr++;
	return nr;
}

size_t exec_env__bytes(char *const *environment)
{
	char *const *list = config__find(environment, LIST);
	size_t nr = count(environment), list_len = list ? strlen(*list) : 0;

	if (!kept[0][0] || nr == MAX_VARIABLES || list_len > MAX_LIST || is_complete(environment))
		return 0;
	return (nr + NR_NAMES + 1) * sizeof(char *) + list_len + MAX_ENTRY + 2;
}

/* The library, and what is preloaded besides. */
static void write_list(char *to, char *const *list)
{
	strcpy(to, kept[0]);
	if (!list || !*value_of(*list))
		return;
	if (has_library(value_of(*list))) {
		strcpy(to, *list);
		return;
	}
	strcat(to, ":");
	strcat(to, value_of(*list));
}

char *const *exec_env__make(void *memory, char *const *environment)
{
	size_t nr = count(environment), at = 0;
	char **made = memory, *list = (char *)(made + nr + NR_NAMES + 1);

	write_list(list, config__find(environment, LIST));
	made[at++] = list;
	for (size_t i = 1; i < NR_NAMES; i++)
		if (kept[i][0])
			made[at++] = kept[i];
	for (size_t i = 0; i < nr; i++)
		if (!is_ours(environment[i]))
			made[at++] = environment[i];
	made[at] = NULL;
	return made;
}

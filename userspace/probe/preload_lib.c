// SPDX-License-Identifier: BSD-2-Clause
#include "probe/preload_lib.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

#define VARIABLE    "HEAPTAP_PRELOAD"
#define MAX_LIBRARY (64u << 20)

/* Of the folder of the program: of the build, of an installation. */
static const char *const places[] = { "", "../lib/heaptap/" };

/* The folder of the program, with a slash at its end; the caller frees it. */
static char *own_folder(void)
{
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (len <= 0)
		return NULL;
	path[len] = '\0';
	*strrchr(path, '/') = '\0';
	return xasprintf("%s/", path);
}

static bool is_trusted(const struct stat *st)
{
	return (!st->st_uid || st->st_uid == geteuid()) && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* Why the library at path, in its own words, is not one to load. NULL: it is. */
static char *why_not(const char *path)
{
	char *folder = xstrdup(path), *why = NULL;
	struct stat st, folder_st;

	*strrchr(folder, '/') = '\0';
	if (stat(path, &st) || stat(*folder ? folder : "/", &folder_st))
		why = xasprintf("%s cannot be used: %s.", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		why = xasprintf("%s is not a file.", path);
	else if (!is_trusted(&st) || (!is_trusted(&folder_st) && !(folder_st.st_mode & S_ISVTX)))
		why = xasprintf(
			"%s is not used: it, or its folder, belongs to another user, or others "
			"may write to it. `chmod go-w` or `chown` mend that.",
			path);
	else if (path[strcspn(path, " :\t\n")])
		why = xasprintf("%s is not used: the dynamic loader takes no path with blanks or "
				"colons in it. Copy it elsewhere, and name that in " VARIABLE ".",
				path);
	free(folder);
	return why;
}

/* The first place that has one; NULL. */
static char *look_around(void)
{
	char *folder = own_folder(), *found = NULL;

	for (size_t i = 0; folder && !found && i < ARRAY_SIZE(places); i++) {
		char *path = xasprintf("%s%s" PRELOAD_LIB_NAME, folder, places[i]);

		found = realpath(path, NULL);
		free(path);
	}
	free(folder);
	return found;
}

char *preload_lib__find(char **why)
{
	const char *named = getenv(VARIABLE);
	char *path = named && *named ? realpath(named, NULL) : look_around();

	if (!path && named && *named)
		*why = xasprintf("%s, which " VARIABLE " names, cannot be used: %s.", named,
				 strerror(errno));
	else if (!path)
		*why = xasprintf(PRELOAD_LIB_NAME
				 " is neither beside heaptap nor in ../lib/heaptap. `make` builds "
				 "it; " VARIABLE " may name another place.");
	else
		*why = why_not(path);
	if (!*why)
		return path;
	free(path);
	return NULL;
}

bool preload_lib__knows(const char *path, const char *variable)
{
	size_t len;
	char *content = file__read_all(path, MAX_LIBRARY, &len);
	bool knows = content && memmem(content, len, variable, strlen(variable) + 1);

	free(content);
	return knows;
}

// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

static enum log_level current_level = LOG_WARN;
static bool progress_shown;

void log__set_level(enum log_level level)
{
	current_level = level;
}

enum log_level log__level(void)
{
	return current_level;
}

static void erase_progress(void)
{
	if (progress_shown)
		fputs("\r\033[K", stderr);
	progress_shown = false;
}

void log__print(enum log_level level, const char *format, ...)
{
	char text[4096];
	va_list args;

	if (level > current_level)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	text__strip_controls(text);
	erase_progress();
	fprintf(stderr, "heaptap: %s\n", text);
}

void log__progress(const char *format, ...)
{
	char text[256];
	va_list args;

	if (!isatty(STDERR_FILENO))
		return;
	erase_progress();
	if (!format)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	text__strip_controls(text);
	fprintf(stderr, "\r\033[K%s", text);
	fflush(stderr);
	progress_shown = true;
}

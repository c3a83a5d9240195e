// SPDX-License-Identifier: BSD-2-Clause
#include "export/screen.h"

#include <langinfo.h>
#include <locale.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/util.h"

#define EIGHTHS 8

static bool is_utf8(void)
{
	locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
	bool utf8;

	if (locale == (locale_t)0)
		return false;
	utf8 = !strcmp(nl_langinfo_l(CODESET, locale), "UTF-8");
	freelocale(locale);
	return utf8;
}

static unsigned terminal_columns(FILE *out)
{
	struct winsize size;
	int fd = fileno(out);

	if (fd < 0 || !isatty(fd) || ioctl(fd, TIOCGWINSZ, &size) || !size.ws_col)
		return 80;
	return size.ws_col;
}

struct screen screen__of(FILE *out, uint64_t wanted)
{
	uint64_t columns = wanted ? wanted : terminal_columns(out);

	columns = max(columns, (uint64_t)SCREEN_MIN_COLUMNS);
	return (struct screen){ .out = out,
				.columns = (unsigned)min(columns, (uint64_t)SCREEN_MAX_COLUMNS),
				.utf8 = is_utf8() };
}

/* value / max in steps, at least one where there is anything. */
static unsigned steps_of(uint64_t value, uint64_t max, unsigned steps)
{
	double share = max ? (double)value / (double)max : 0;
	unsigned nr = (unsigned)(share * steps + 0.5);

	if (value && !nr)
		return 1;
	return min(nr, steps);
}

void screen__spark(const struct screen *screen, const uint64_t *values, size_t nr, uint64_t max)
{
	static const char *const blocks[EIGHTHS + 1] = {
		" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"
	};
	static const char *const ascii[EIGHTHS + 1] = {
		" ", ".", ":", "-", "=", "+", "*", "%", "#"
	};

	for (size_t i = 0; i < nr; i++) {
		unsigned height = steps_of(values[i], max, EIGHTHS);

		fputs(screen->utf8 ? blocks[height] : ascii[height], screen->out);
	}
	fputc('\n', screen->out);
}

void screen__bar(const struct screen *screen, uint64_t value, uint64_t max, unsigned columns)
{
	static const char *const parts[EIGHTHS] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	unsigned eighths = steps_of(value, max, columns * EIGHTHS);

	if (!screen->utf8) {
		for (unsigned i = steps_of(value, max, columns); i > 0; i--)
			fputc('#', screen->out);
		return;
	}
	for (unsigned i = eighths / EIGHTHS; i > 0; i--)
		fputs("█", screen->out);
	fputs(parts[eighths % EIGHTHS], screen->out);
}

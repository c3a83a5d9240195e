// SPDX-License-Identifier: BSD-2-Clause
#include "export/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* Characters of a bar at least. */
#define MIN_BAR 10

struct table {
	const char *const *headings;
	unsigned nr_columns, nr_keys;
	unsigned widths[TABLE_MAX_COLUMNS];
	char *cells; /* one behind the other, each with its NUL */
	size_t len, capacity, nr_cells;
	uint64_t *bars;
	size_t nr_bars, bars_capacity;
	uint64_t longest_bar;
};

/* Columns that stand beside each other, behind the keys. */
struct group {
	unsigned from, to;
	unsigned bar; /* characters of the bars behind them; 0: there are none */
};

struct table *table__new(const char *const *headings, unsigned nr_columns, unsigned nr_keys)
{
	struct table *table = xcalloc(1, sizeof(*table));

	table->headings = headings;
	table->nr_columns = min(nr_columns, (unsigned)TABLE_MAX_COLUMNS);
	table->nr_keys = nr_keys;
	for (unsigned i = 0; i < table->nr_columns; i++)
		table->widths[i] = (unsigned)strlen(headings[i]);
	return table;
}

void table__free(struct table *table)
{
	if (!table)
		return;
	free(table->cells);
	free(table->bars);
	free(table);
}

void table__cell(struct table *table, const char *format, ...)
{
	unsigned *width = &table->widths[table->nr_cells++ % table->nr_columns];
	char text[64];
	va_list arguments;
	size_t len;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	len = strlen(text);
	*width = max(*width, (unsigned)len);
	while (table->capacity - table->len <= len)
		table->cells = array__grow(table->cells, table->capacity, &table->capacity, 1);
	memcpy(table->cells + table->len, text, len + 1);
	table->len += len + 1;
}

void table__bar(struct table *table, uint64_t value)
{
	table->bars = array__grow(table->bars, table->nr_bars, &table->bars_capacity,
				  sizeof(*table->bars));
	table->bars[table->nr_bars++] = value;
	table->longest_bar = max(table->longest_bar, value);
}

/* The columns from `from` on that fit, one at least unless there is none; bars have a place of
 * their own where they do not fit behind the last. */
static struct group group_from(const struct table *table, unsigned from, unsigned columns)
{
	struct group group = { .from = from, .to = from };
	unsigned used = 0;

	for (unsigned i = 0; i < table->nr_keys; i++)
		used += table->widths[i] + (i > 0);
	for (; group.to < table->nr_columns; group.to++) {
		used += 1 + table->widths[group.to];
		if (used > columns && group.to > from)
			return group;
	}
	if (!table->nr_bars)
		return group;
	if (used + 1 + MIN_BAR <= columns)
		group.bar = columns - used - 1;
	else if (from == table->nr_columns)
		group.bar = MIN_BAR;
	return group;
}

/* The cells of a line, or headings. */
static void write_line(const struct table *table, const struct group *group,
		       const char *const *cells, FILE *out)
{
	for (unsigned i = 0; i < table->nr_columns; i++)
		if (i < table->nr_keys || (i >= group->from && i < group->to))
			fprintf(out, "%s%*s", i ? " " : "", (int)table->widths[i], cells[i]);
}

static void write_group(const struct table *table, const struct group *group,
			const struct screen *screen)
{
	const char *cells[TABLE_MAX_COLUMNS], *next = table->cells;

	write_line(table, group, table->headings, screen->out);
	fputc('\n', screen->out);
	for (size_t row = 0; row < table->nr_cells / table->nr_columns; row++) {
		for (unsigned i = 0; i < table->nr_columns; i++) {
			cells[i] = next;
			next += strlen(next) + 1;
		}
		write_line(table, group, cells, screen->out);
		if (group->bar && row < table->nr_bars && table->bars[row]) {
			fputc(' ', screen->out);
			screen__bar(screen, table->bars[row], table->longest_bar, group->bar);
		}
		fputc('\n', screen->out);
	}
}

void table__write(const struct table *table, const struct screen *screen)
{
	struct group group = { .to = table->nr_keys };
	bool wants_bars = table->nr_bars > 0;

	do {
		if (group.to > table->nr_keys)
			fputc('\n', screen->out);
		group = group_from(table, group.to, screen->columns);
		write_group(table, &group, screen);
		wants_bars = wants_bars && !group.bar;
	} while (group.to < table->nr_columns || wants_bars);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * A table for the rows of the csv exporter, and the statements that load them, for three databases.
 * Addresses and times are unsigned 64-bit numbers: where a database has no such type, it gets a
 * wider one, or the address is exact in its hexadecimal column only (SQLite).
 *
 * Rows of a sampled recording have one column more. Where the file is there already, its first row
 * says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "base/util.h"
#include "export/event_rows.h"
#include "export/view.h"

#define TABLE	 "heaptap_events"
#define RECORDED ".htap"

enum dialect { SQLITE, MYSQL, POSTGRESQL, NR_DIALECTS };

enum type { U64, U32, FLAG, WORD, TEXT, JSON, NR_TYPES };

static const char *const type_names[NR_DIALECTS][NR_TYPES] = {
	[SQLITE] = { "INTEGER", "INTEGER", "INTEGER", "TEXT", "TEXT", "TEXT" },
	[MYSQL] = { "BIGINT UNSIGNED", "INT UNSIGNED", "TINYINT UNSIGNED", "VARCHAR(32)", "TEXT",
		    "LONGTEXT" },
	[POSTGRESQL] = { "NUMERIC(20)", "BIGINT", "SMALLINT", "VARCHAR(32)", "TEXT", "JSONB" },
};

/* The order is event_rows__header's. */
static const struct {
	const char *name;
	enum type type;
} columns[] = {
	{ "time_ns", U64 },	{ "time_ms", U64 },   { "pid", U32 },	       { "tid", U32 },
	{ "comm", TEXT },	{ "build_id", TEXT }, { "event", WORD },       { "function", TEXT },
	{ "family", TEXT },	{ "address", U64 },   { "address_hex", WORD }, { "size", U64 },
	{ "old_address", U64 }, { "old_size", U64 },  { "stack_cut", FLAG },   { "stack", JSON },
};

/* What rows of a sampled recording have behind those. */
#define WEIGHT "weight"

struct sql_state {
	enum dialect dialect;
	char *csv; /* the file that is loaded */
	bool weighted;
};

static int parse_dialect(const char *name, enum dialect *dialect)
{
	static const char *const names[] = { "sqlite", "mysql", "postgresql" };

	*dialect = SQLITE;
	for (unsigned i = 0; name && i < NR_DIALECTS; i++) {
		*dialect = i;
		if (!strcmp(name, names[i]))
			return 0;
	}
	return name ? -EINVAL : 0;
}

/* app.csv of app.htap; any other name is the csv's own. */
static char *csv_name(const char *file)
{
	size_t len = file ? strlen(file) : 0, suffix = strlen(RECORDED);

	if (!len || !strcmp(file, "-"))
		return xstrdup("heaptap.csv");
	if (len > suffix && !strcmp(file + len - suffix, RECORDED))
		return xasprintf("%.*s.csv", (int)(len - suffix), file);
	return xstrdup(file);
}

/* Does a file of rows begin as one of a sampled recording? */
static bool is_weighted(const char *csv)
{
	size_t len = strlen(event_rows__weighted_header);
	int fd = open(csv, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char *begin = xcalloc(1, len + 1);
	struct stat status;
	bool weighted = fd >= 0 && !fstat(fd, &status) && S_ISREG(status.st_mode) &&
			read(fd, begin, len) == (ssize_t)len &&
			!strcmp(begin, event_rows__weighted_header);

	if (fd >= 0)
		close(fd);
	free(begin);
	return weighted;
}

/* No database's client takes an end of a line in a file's name. */
static bool is_printable(const char *text)
{
	for (; *text; text += text__character(text))
		if (!text__character(text))
			return false;
	return true;
}

static void *begin(struct model *model, const struct view_options *options)
{
	struct sql_state *state = xcalloc(1, sizeof(*state));

	state->csv = csv_name(options->file);
	state->weighted = is_weighted(state->csv);
	if (parse_dialect(options->dialect, &state->dialect))
		log_err("--dialect takes sqlite, mysql or postgresql, not '%s'.", options->dialect);
	else if (!is_printable(state->csv))
		log_err("The name of the file has characters that no database would take.");
	else
		return state;
	free(state->csv);
	free(state);
	return NULL;
}

static void write_table(enum dialect dialect, bool weighted, FILE *out)
{
	fputs("CREATE TABLE IF NOT EXISTS " TABLE " (\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		fprintf(out, "  %s %s NOT NULL%s\n", columns[i].name,
			type_names[dialect][columns[i].type],
			i + 1 < ARRAY_SIZE(columns) || weighted ? "," : "");
	if (weighted)
		fprintf(out, "  " WEIGHT " %s NOT NULL\n", type_names[dialect][U32]);
	fputs(dialect == MYSQL ? ") DEFAULT CHARACTER SET utf8mb4;\n" : ");\n", out);
}

/* text in quotes; each quote inside, and each of the characters `special`, has `escape` before
 * it. */
static void write_quoted(const char *text, char quote, const char *special, char escape, FILE *out)
{
	fputc(quote, out);
	for (; *text; text++) {
		if (*text == quote || strchr(special, *text))
			fputc(escape, out);
		fputc(*text, out);
	}
	fputc(quote, out);
}

static void write_load(const struct sql_state *state, FILE *out)
{
	switch (state->dialect) {
	case SQLITE:
		fputs(".import --csv --skip 1 ", out);
		write_quoted(state->csv, '"', "\\", '\\', out);
		fputs(" " TABLE "\n", out);
		break;
	case MYSQL:
		fputs("LOAD DATA LOCAL INFILE ", out);
		write_quoted(state->csv, '\'', "\\", '\\', out);
		fputs(" INTO TABLE " TABLE "\n"
		      "  CHARACTER SET utf8mb4\n"
		      "  FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY ''\n"
		      "  LINES TERMINATED BY '\\n' IGNORE 1 LINES;\n",
		      out);
		break;
	default:
		fputs("\\copy " TABLE " FROM ", out);
		write_quoted(state->csv, '\'', "", '\'', out);
		fputs(" WITH (FORMAT csv, HEADER true, ENCODING 'UTF8', FORCE_NOT_NULL (comm, "
		      "build_id, function, family))\n",
		      out);
	}
}

static void write_indexes(FILE *out)
{
	fputs("CREATE INDEX heaptap_events_address ON " TABLE " (pid, address);\n"
	      "CREATE INDEX heaptap_events_time ON " TABLE " (time_ns);\n",
	      out);
}

static int write_sql(void *data, FILE *out)
{
	static const char *const clients[] = { "sqlite3 heap.db", "mysql --local-infile=1 DATABASE",
					       "psql DATABASE" };
	const struct sql_state *state = data;

	fprintf(out,
		"-- Loads what `heaptap export -f csv` and `heaptap orphans --format csv` write:\n"
		"--   %s <THIS\n",
		clients[state->dialect]);
	if (state->dialect == SQLITE)
		fputs("-- Numbers are signed here: an address from 2^63 on is exact in address_hex "
		      "only.\n",
		      out);
	write_table(state->dialect, state->weighted, out);
	write_load(state, out);
	write_indexes(out);
	return 0;
}

static void free_state(void *data)
{
	struct sql_state *state = data;

	free(state->csv);
	free(state);
}

const struct view exporter_sql = {
	.name = "sql",
	.takes = VIEW_DIALECT,
	.help = "a table for those rows, and how to load them (--dialect)",
	.looks_at_nothing = true,
	.begin = begin,
	.write = write_sql,
	.free = free_state,
};

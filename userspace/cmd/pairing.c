// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/pairing.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/csv.h"
#include "base/json_check.h"
#include "base/lines.h"
#include "base/util.h"
#include "cmd/pair_heaps.h"

#define MAX_FIELDS 32
/* Rows that children have from their parents, at once. */
#define MAX_INHERITED (8u << 20)
#define NOWHERE	      UINT_MAX

/* What a row does. */
enum action { ALLOCATES, FREES, FREES_ALL, ENDS_PROCESS, FORKS, NOTHING, MALFORMED };

struct pairing {
	int fd;
	bool can_read_again;
	FILE *out;
	struct pairing_counts *counts;

	const struct csv_dialect *dialect;
	char *header; /* NULL: malloc-trace has none */
	size_t header_len;
	/* Where the fields are; tid's NOWHERE if there is none. */
	unsigned pid_at, tid_at, event_at, address_at, stack_at, nr_fields;

	struct pair_heaps *heaps;
	char scratch[LINES_MAX];
	char text[LINES_MAX]; /* a row that is read again */
};

/* What a line says. */
struct said {
	enum action action;
	uint32_t pid;
	uint32_t child;	  /* of FORKS */
	uint64_t address; /* good unless the line is MALFORMED with address 0 */
};

static bool name_has(const struct csv_field *name, const char *part)
{
	return memmem(name->text, name->len, part, strlen(part)) != NULL;
}

static bool is_word(const struct csv_field *name)
{
	for (size_t i = 0; i < name->len; i++)
		if (!isalnum((unsigned char)name->text[i]) && name->text[i] != '_')
			return false;
	return name->len > 0;
}

static enum action action_of(const struct pairing *pairing, const struct csv_field *event)
{
	static const struct {
		const char *event;
		enum action action;
	} actions[] = {
		{ "alloc", ALLOCATES }, { "free", FREES },     { "unknown_free", FREES },
		{ "replaced", FREES },	{ "exec", FREES_ALL }, { "end", ENDS_PROCESS },
		{ "failed", NOTHING },	{ "fork", FORKS },
	};

	if (!pairing->header)
		return !is_word(event) ? MALFORMED : name_has(event, "free") ? FREES : ALLOCATES;
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (csv_field__is(event, actions[i].event))
			return actions[i].action;
	return MALFORMED;
}

/* A pid in a field; false: none is there. */
static bool read_pid(const struct csv_field *field, uint32_t *pid)
{
	uint64_t value;

	if (!csv_field__uint(field, &value) || value > UINT32_MAX)
		return false;
	*pid = (uint32_t)value;
	return true;
}

static struct said understand(struct pairing *pairing, const struct line *line)
{
	struct csv_field fields[MAX_FIELDS];
	struct said said = { .action = MALFORMED };
	bool malformed;
	unsigned nr = csv__parse(pairing->dialect, line->text, line->len, pairing->scratch, fields,
				 MAX_FIELDS, &malformed);

	if (nr <= pairing->address_at || nr <= pairing->event_at ||
	    !csv_field__uint(&fields[pairing->address_at], &said.address) ||
	    (pairing->header && !read_pid(&fields[pairing->pid_at], &said.pid)))
		return (struct said){ .action = MALFORMED };
	said.action = action_of(pairing, &fields[pairing->event_at]);
	if (said.action == FORKS &&
	    (nr <= pairing->tid_at || !read_pid(&fields[pairing->tid_at], &said.child) ||
	     !said.child))
		said.action = MALFORMED;
	if (said.action != ALLOCATES)
		return said;
	if (malformed || nr != pairing->nr_fields ||
	    !json__is_valid(fields[pairing->stack_at].text, fields[pairing->stack_at].len))
		said.action = MALFORMED;
	else if (!said.address) /* malloc-trace took what failed for an allocation at NULL. */
		said.action = NOTHING;
	return said;
}

static void take_row(struct pairing *pairing, const struct line *line)
{
	struct pair_heaps *heaps = pairing->heaps;
	struct pairing_counts *counts = pairing->counts;
	struct said said = { .action = MALFORMED };

	counts->rows++;
	if (!line->too_long)
		said = understand(pairing, line);
	if (said.action == MALFORMED)
		counts->malformed++;
	/* Whatever happened at an address, what was there is gone. */
	if (said.action == ALLOCATES || (said.action == MALFORMED && said.address))
		pair_heaps__take_back(heaps, said.pid, said.address);
	if (said.action == ALLOCATES)
		pair_heaps__keep(heaps, said.pid, said.address, line->offset,
				 pairing->can_read_again ? NULL : line->text, (uint32_t)line->len);
	else if (said.action == FREES)
		counts->unmatched += !pair_heaps__take_back(heaps, said.pid, said.address);
	else if (said.action == FREES_ALL || said.action == ENDS_PROCESS)
		pair_heaps__end(heaps, said.pid, said.action == FREES_ALL);
	else if (said.action == FORKS)
		counts->forks_ignored +=
			!pair_heaps__fork(heaps, said.pid, said.child, counts->rows);
}

/* Where a line that may be a header has the columns that are needed; false: it is none. */
static bool find_columns(struct pairing *pairing, const struct line *line)
{
	/* The last one only tells of forks. */
	struct {
		const char *name;
		unsigned *at;
	} wanted[] = { { "pid", &pairing->pid_at },
		       { "event", &pairing->event_at },
		       { "address", &pairing->address_at },
		       { "stack", &pairing->stack_at },
		       { "tid", &pairing->tid_at } };
	struct csv_field fields[MAX_FIELDS];
	bool malformed;

	for (size_t k = 0; k < ARRAY_SIZE(wanted); k++)
		*wanted[k].at = NOWHERE;
	pairing->nr_fields = csv__parse(&csv_rfc4180, line->text, line->len, pairing->scratch,
					fields, MAX_FIELDS, &malformed);
	for (unsigned i = 0; !malformed && i < pairing->nr_fields; i++)
		for (size_t k = 0; k < ARRAY_SIZE(wanted); k++)
			if (csv_field__is(&fields[i], wanted[k].name))
				*wanted[k].at = i;
	for (size_t k = 0; k + 1 < ARRAY_SIZE(wanted); k++)
		if (*wanted[k].at == NOWHERE)
			return false;
	return true;
}

/* The first line says what the others are; true: it is a header. */
static bool take_header(struct pairing *pairing, const struct line *line)
{
	if (!line->too_long && find_columns(pairing, line)) {
		pairing->dialect = &csv_rfc4180;
		pairing->header = xmalloc(line->len);
		memcpy(pairing->header, line->text, line->len);
		pairing->header_len = line->len;
		return true;
	}
	pairing->dialect = &csv_malloc_trace;
	pairing->event_at = 0;
	pairing->address_at = 2;
	pairing->stack_at = 5;
	pairing->nr_fields = 6;
	return false;
}

/* Files that were rotated have one each. */
static bool is_header(const struct pairing *pairing, const struct line *line)
{
	return pairing->header && !line->too_long && line->len == pairing->header_len &&
	       !memcmp(line->text, pairing->header, line->len);
}

static int read_rows(struct pairing *pairing)
{
	struct lines *lines = lines__new(pairing->fd);
	struct line line;
	int more;

	while ((more = lines__next(lines, &line)) > 0) {
		if (!line.len)
			continue;
		if (!pairing->dialect && take_header(pairing, &line))
			continue;
		if (!is_header(pairing, &line))
			take_row(pairing, &line);
	}
	lines__free(lines);
	return more;
}

/* A row's text, of the file's as it is now. 0 or -errno. */
static int read_again(struct pairing *pairing, const struct pair_row *row)
{
	size_t got = 0;

	while (got < row->len) {
		ssize_t now = pread(pairing->fd, pairing->text + got, row->len - got,
				    (off_t)(row->offset + got));

		if (now < 0 && errno != EINTR)
			return -errno;
		if (!now)
			return -ESTALE;
		got += now > 0 ? (size_t)now : 0;
	}
	return 0;
}

/* A row with another pid in it. */
static void write_inherited(struct pairing *pairing, const char *text, const struct pair_row *row)
{
	struct csv_field fields[MAX_FIELDS], *pid = &fields[pairing->pid_at];
	bool malformed;
	unsigned nr = csv__parse(pairing->dialect, text, row->len, pairing->scratch, fields,
				 MAX_FIELDS, &malformed);

	/* The file may have changed since. */
	if (nr <= pairing->pid_at)
		return;
	fprintf(pairing->out, "%.*s%" PRIu32, (int)pid->at, text, row->pid);
	fwrite(text + pid->at + pid->row_len, 1, row->len - pid->at - pid->row_len, pairing->out);
}

static int write_row(struct pairing *pairing, const struct pair_row *row)
{
	const char *text = pairing->text;
	int err = 0;

	if (row->text)
		text = pair_row__text(row);
	else
		err = read_again(pairing, row);
	if (err)
		return err;
	if (row->pid)
		write_inherited(pairing, text, row);
	else
		fwrite(text, 1, row->len, pairing->out);
	fputc('\n', pairing->out);
	pairing->counts->kept += !row->pid;
	pairing->counts->inherited += row->pid != 0;
	return 0;
}

static int write_rows(struct pairing *pairing)
{
	const struct pair_row *rows;
	size_t nr;
	int err = 0;

	rows = pair_heaps__left(pairing->heaps, &nr);
	if (pairing->header) {
		fwrite(pairing->header, 1, pairing->header_len, pairing->out);
		fputc('\n', pairing->out);
	}
	for (size_t i = 0; !err && i < nr; i++)
		err = write_row(pairing, &rows[i]);
	return err;
}

int pairing__run(int fd, FILE *out, struct pairing_counts *counts)
{
	struct pairing *pairing = xcalloc(1, sizeof(*pairing));
	struct stat status;
	int err;

	*counts = (struct pairing_counts){ 0 };
	pairing->fd = fd;
	pairing->out = out;
	pairing->counts = counts;
	pairing->heaps = pair_heaps__new(MAX_INHERITED);
	/* Its lines are numbered from where it is read, which is then its beginning. */
	pairing->can_read_again =
		!fstat(fd, &status) && S_ISREG(status.st_mode) && lseek(fd, 0, SEEK_CUR) == 0;
	err = read_rows(pairing);
	if (!err)
		err = write_rows(pairing);
	pair_heaps__free(pairing->heaps);
	free(pairing->header);
	free(pairing);
	return err;
}

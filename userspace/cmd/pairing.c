// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/pairing.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/csv.h"
#include "base/hash.h"
#include "base/json_check.h"
#include "base/lines.h"
#include "base/util.h"

#define MAX_FIELDS 32
#define NONE	   UINT64_MAX

/* A row that may be left. */
struct row {
	uint64_t offset; /* in the file; of a free slot: the next one */
	char *text;	 /* NULL where it can be read again */
	uint32_t len;	 /* 0: the slot is free */
};

/* What a row does. */
enum action { ALLOCATES, FREES, FREES_ALL, ENDS_PROCESS, NOTHING, MALFORMED };

struct pairing {
	int fd;
	bool can_read_again;
	FILE *out;
	struct pairing_counts *counts;

	const struct csv_dialect *dialect;
	char *header; /* NULL: malloc-trace has none */
	size_t header_len;
	/* Where the fields are. */
	unsigned pid_at, event_at, address_at, stack_at, nr_fields;

	struct row *rows;
	size_t nr, capacity;
	uint64_t free_slot; /* NONE: there is none */
	struct hmap *heaps; /* address -> slot, of each process */
	size_t nr_heaps, heaps_capacity;
	struct hmap by_pid; /* -> index of its heap */
	char scratch[LINES_MAX];
	char text[LINES_MAX]; /* a row that is read again */
};

static struct hmap *heap_of(struct pairing *pairing, uint64_t pid)
{
	const uint64_t *index = hmap__find(&pairing->by_pid, pid);

	if (index)
		return &pairing->heaps[*index];
	pairing->heaps = array__grow(pairing->heaps, pairing->nr_heaps, &pairing->heaps_capacity,
				     sizeof(*pairing->heaps));
	hmap__set(&pairing->by_pid, pid, pairing->nr_heaps);
	pairing->heaps[pairing->nr_heaps] = (struct hmap){ 0 };
	return &pairing->heaps[pairing->nr_heaps++];
}

static void forget(struct pairing *pairing, uint64_t slot)
{
	struct row *row = &pairing->rows[slot];

	free(row->text);
	*row = (struct row){ .offset = pairing->free_slot };
	pairing->free_slot = slot;
}

/* Whether there was something. */
static bool take_back(struct pairing *pairing, uint64_t pid, uint64_t address)
{
	struct hmap *heap = heap_of(pairing, pid);
	const uint64_t *slot = hmap__find(heap, address);

	if (!slot)
		return false;
	forget(pairing, *slot);
	hmap__delete(heap, address);
	if (!heap->nr)
		hmap__clear(heap);
	return true;
}

/* Another process of the same pid may follow. lost: what was live is gone; else it is left. */
static void end_heap(struct pairing *pairing, uint64_t pid, bool lost)
{
	struct hmap *heap = heap_of(pairing, pid);
	uint64_t address, slot;

	for (size_t at = 0; lost && hmap__next(heap, &at, &address, &slot);)
		forget(pairing, slot);
	hmap__clear(heap);
}

static void keep(struct pairing *pairing, uint64_t pid, uint64_t address, const struct line *line)
{
	uint64_t slot = pairing->free_slot;

	if (slot == NONE) {
		pairing->rows = array__grow(pairing->rows, pairing->nr, &pairing->capacity,
					    sizeof(*pairing->rows));
		slot = pairing->nr++;
	} else {
		pairing->free_slot = pairing->rows[slot].offset;
	}
	pairing->rows[slot] = (struct row){ .offset = line->offset, .len = (uint32_t)line->len };
	if (!pairing->can_read_again) {
		pairing->rows[slot].text = xmalloc(line->len);
		memcpy(pairing->rows[slot].text, line->text, line->len);
	}
	hmap__set(heap_of(pairing, pid), address, slot);
}

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
		{ "failed", NOTHING },
	};

	if (!pairing->header)
		return !is_word(event) ? MALFORMED : name_has(event, "free") ? FREES : ALLOCATES;
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (csv_field__is(event, actions[i].event))
			return actions[i].action;
	return MALFORMED;
}

/* What a line says; *pid and *address are good unless it is MALFORMED with *address 0. */
static enum action understand(struct pairing *pairing, const struct line *line, uint64_t *pid,
			      uint64_t *address)
{
	struct csv_field fields[MAX_FIELDS];
	enum action action = MALFORMED;
	bool malformed;
	unsigned nr = csv__parse(pairing->dialect, line->text, line->len, pairing->scratch, fields,
				 MAX_FIELDS, &malformed);

	*pid = 0;
	*address = 0;
	if (nr <= pairing->address_at || nr <= pairing->event_at ||
	    !csv_field__uint(&fields[pairing->address_at], address) ||
	    (pairing->header && !csv_field__uint(&fields[pairing->pid_at], pid)))
		return MALFORMED;
	action = action_of(pairing, &fields[pairing->event_at]);
	if (action != ALLOCATES)
		return action;
	if (malformed || nr != pairing->nr_fields ||
	    !json__is_valid(fields[pairing->stack_at].text, fields[pairing->stack_at].len))
		return MALFORMED;
	/* malloc-trace took what failed for an allocation at NULL. */
	return *address ? ALLOCATES : NOTHING;
}

static void take_row(struct pairing *pairing, const struct line *line)
{
	enum action action = MALFORMED;
	uint64_t pid = 0, address = 0;

	pairing->counts->rows++;
	if (!line->too_long)
		action = understand(pairing, line, &pid, &address);
	if (action == MALFORMED)
		pairing->counts->malformed++;
	/* Whatever happened at an address, what was there is gone. */
	if (action == ALLOCATES || (action == MALFORMED && address))
		take_back(pairing, pid, address);
	if (action == ALLOCATES)
		keep(pairing, pid, address, line);
	else if (action == FREES)
		pairing->counts->unmatched += !take_back(pairing, pid, address);
	else if (action == FREES_ALL || action == ENDS_PROCESS)
		end_heap(pairing, pid, action == FREES_ALL);
}

/* The first line says what the others are; true: it is a header. */
static bool take_header(struct pairing *pairing, const struct line *line)
{
	const struct {
		const char *name;
		unsigned *at;
	} wanted[] = { { "pid", &pairing->pid_at },
		       { "event", &pairing->event_at },
		       { "address", &pairing->address_at },
		       { "stack", &pairing->stack_at } };
	struct csv_field fields[MAX_FIELDS];
	size_t nr_found = 0;
	bool malformed = true;
	unsigned nr = 0;

	if (!line->too_long)
		nr = csv__parse(&csv_rfc4180, line->text, line->len, pairing->scratch, fields,
				MAX_FIELDS, &malformed);
	for (unsigned i = 0; !malformed && i < nr; i++)
		for (size_t k = 0; k < ARRAY_SIZE(wanted); k++)
			if (csv_field__is(&fields[i], wanted[k].name)) {
				*wanted[k].at = i;
				nr_found++;
			}
	if (nr_found == ARRAY_SIZE(wanted)) {
		pairing->dialect = &csv_rfc4180;
		pairing->nr_fields = nr;
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

static int compare_rows(const void *left, const void *right)
{
	uint64_t a = ((const struct row *)left)->offset, b = ((const struct row *)right)->offset;

	return a < b ? -1 : a > b;
}

/* 0 or -errno. */
static int write_row(struct pairing *pairing, const struct row *row)
{
	const char *text = row->text ? row->text : pairing->text;
	size_t len = row->len, got = 0;

	while (!row->text && got < len) {
		ssize_t now = pread(pairing->fd, pairing->text + got, len - got,
				    (off_t)(row->offset + got));

		if (now < 0 && errno != EINTR)
			return -errno;
		if (!now)
			return -ESTALE;
		got += now > 0 ? (size_t)now : 0;
	}
	fwrite(text, 1, len, pairing->out);
	fputc('\n', pairing->out);
	pairing->counts->kept++;
	return 0;
}

static int write_rows(struct pairing *pairing)
{
	size_t nr = 0;
	int err = 0;

	for (size_t i = 0; i < pairing->nr; i++)
		if (pairing->rows[i].len)
			pairing->rows[nr++] = pairing->rows[i];
	pairing->nr = nr;
	if (nr)
		qsort(pairing->rows, nr, sizeof(*pairing->rows), compare_rows);
	if (pairing->header) {
		fwrite(pairing->header, 1, pairing->header_len, pairing->out);
		fputc('\n', pairing->out);
	}
	for (size_t i = 0; !err && i < nr; i++)
		err = write_row(pairing, &pairing->rows[i]);
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
	pairing->free_slot = NONE;
	/* Its lines are numbered from where it is read, which is then its beginning. */
	pairing->can_read_again =
		!fstat(fd, &status) && S_ISREG(status.st_mode) && lseek(fd, 0, SEEK_CUR) == 0;
	err = read_rows(pairing);
	if (!err)
		err = write_rows(pairing);
	for (size_t i = 0; i < pairing->nr; i++)
		free(pairing->rows[i].text);
	for (size_t i = 0; i < pairing->nr_heaps; i++)
		hmap__clear(&pairing->heaps[i]);
	hmap__clear(&pairing->by_pid);
	free(pairing->heaps);
	free(pairing->rows);
	free(pairing->header);
	free(pairing);
	return err;
}

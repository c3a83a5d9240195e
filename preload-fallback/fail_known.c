// SPDX-License-Identifier: BSD-2-Clause
#include "fail_known.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define NR_DIGITS 16u
/* Slots looked at for one id. */
#define MAX_PROBES 128u

void fail_known__init(struct fail_known *known, void *memory, uint32_t bytes)
{
	memset(known, 0, sizeof(*known));
	known->slots = memory;
	known->nr_slots = 2;
	while (known->nr_slots * 2 * sizeof(*known->slots) <= bytes)
		known->nr_slots *= 2;
}

/* Neither half is ever 0: that says that there is nothing. */
static uint32_t half(uint32_t word)
{
	return word ? word : 1;
}

static uint32_t low_of(uint64_t id)
{
	return half((uint32_t)id);
}

/* The slot that has an id, or NULL; *empty: one to put it into, or NULL. Who is between the two
 * halves of an id that begins likewise counts as having it: it comes again. */
static struct fail_known_slot *find(const struct fail_known *known, uint64_t id,
				    struct fail_known_slot **empty)
{
	uint32_t high = half((uint32_t)(id >> 32)), mask = known->nr_slots - 1;

	*empty = NULL;
	for (uint32_t i = 0; i < MAX_PROBES && i < known->nr_slots; i++) {
		struct fail_known_slot *slot = &known->slots[(high + i) & mask];
		uint32_t low = __atomic_load_n(&slot->low, __ATOMIC_ACQUIRE);
		uint32_t other = __atomic_load_n(&slot->high, __ATOMIC_ACQUIRE);

		if (!low) {
			*empty = slot;
			return NULL;
		}
		if (low == low_of(id) && (!other || other == high))
			return slot;
	}
	return NULL;
}

bool fail_known__has(const struct fail_known *known, uint64_t id)
{
	struct fail_known_slot *empty;

	return find(known, id, &empty) != NULL;
}

bool fail_known__is_full(const struct fail_known *known)
{
	return __atomic_load_n(&known->nr, __ATOMIC_RELAXED) > known->nr_slots / 8 * 7;
}

bool fail_known__add(struct fail_known *known, uint64_t id)
{
	struct fail_known_slot *empty;

	while (!fail_known__is_full(known)) {
		uint32_t none = 0;

		if (find(known, id, &empty) || !empty)
			return false;
		if (!__atomic_compare_exchange_n(&empty->low, &none, low_of(id), false,
						 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			continue; /* another was quicker, with this one perhaps */
		__atomic_store_n(&empty->high, half((uint32_t)(id >> 32)), __ATOMIC_RELEASE);
		__atomic_fetch_add(&known->nr, 1, __ATOMIC_RELAXED);
		return true;
	}
	return false;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A line without its end. */
static void read_line(struct fail_known *known, const char *line, uint32_t len)
{
	uint64_t id = 0;
	uint32_t n = 0;

	while (n < len && digit(line[n]) >= 0)
		id = id << 4 | (uint64_t)digit(line[n++]);
	if (n == len && len == NR_DIGITS)
		fail_known__add(known, id);
}

/* The lines that end in what was read; returns what is behind the last of them. */
static uint32_t read_lines(struct fail_known *known, char *data, uint32_t used, bool *too_long)
{
	uint32_t begin = 0;

	for (uint32_t i = 0; i < used; i++) {
		if (data[i] != '\n')
			continue;
		if (!*too_long)
			read_line(known, data + begin, i - begin);
		*too_long = false;
		begin = i + 1;
	}
	known->read += begin;
	memmove(data, data + begin, used - begin);
	return used - begin;
}

void fail_known__read(struct fail_known *known, const char *path)
{
	int fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	char data[512];
	uint32_t used = 0;
	bool too_long = false;
	ssize_t got;

	if (fd < 0)
		return;
	/* It is shorter: somebody has taken lines away, who knows which. */
	if (lseek(fd, 0, SEEK_END) < (off_t)known->read)
		known->read = 0;
	lseek(fd, (off_t)known->read, SEEK_SET);
	while (!fail_known__is_full(known)) {
		got = read(fd, data + used, sizeof(data) - used);
		if (got <= 0)
			break;
		used = read_lines(known, data, used + (uint32_t)got, &too_long);
		if (used == sizeof(data)) {
			too_long = true;
			known->read += used;
			used = 0;
		}
	}
	/* A last line that nobody has ended may be whole all the same. */
	if (!too_long)
		read_line(known, data, used);
	close(fd);
}

void fail_known__hex(char *to, uint64_t id)
{
	for (unsigned i = 0; i < NR_DIGITS; i++)
		to[i] = "0123456789abcdef"[id >> (60 - 4 * i) & 15];
	to[NR_DIGITS] = '\0';
}

int fail_known__append(const char *path, const void *data, uint32_t len)
{
	int fd =
		open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0600);
	ssize_t done;
	int err;

	if (fd < 0)
		return -errno;
	do
		done = write(fd, data, len);
	while (done < 0 && errno == EINTR);
	err = done < 0 ? -errno : done < (ssize_t)len ? -ENOSPC : 0;
	close(fd);
	return err;
}

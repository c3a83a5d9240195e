// SPDX-License-Identifier: BSD-2-Clause
/* The record that says who is recorded. */
#include <string.h>
#include <unistd.h>

#include "block_out.h"
#include "os.h"
#include "wire.h"

/* Of /proc/PID/stat, counted from behind the name, which may have blanks and parentheses. */
#define STARTTIME_FIELD 20

/* Ticks since the machine started at which the process did; 0: not known. */
static uint64_t start_ticks(void)
{
	char text[1024], *at;
	uint64_t ticks = 0;

	os__read_file("/proc/self/stat", text, sizeof(text));
	at = strrchr(text, ')');
	for (unsigned i = 0; at && i < STARTTIME_FIELD; i++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	for (; at && *at >= '0' && *at <= '9'; at++)
		ticks = ticks * 10 + (uint64_t)(*at - '0');
	return ticks;
}

/* Seconds since the machine started, in hundredths. */
static uint64_t uptime(void)
{
	uint64_t hundredths = 0;
	char text[64];

	os__read_file("/proc/uptime", text, sizeof(text));
	for (const char *at = text; (*at >= '0' && *at <= '9') || *at == '.'; at++)
		if (*at != '.')
			hundredths = hundredths * 10 + (uint64_t)(*at - '0');
	return hundredths;
}

static uint64_t started_ns(void)
{
	uint64_t now_ns = os__realtime_ns(), ticks = start_ticks(), hundredths = uptime();
	long a_second = sysconf(_SC_CLK_TCK);
	uint64_t then;
	uint32_t rest;

	if (!ticks || a_second <= 0)
		return now_ns;
	then = os__divide(ticks * 100, (uint32_t)a_second, &rest);
	return hundredths < then ? now_ns : now_ns - (hundredths - then) * (NSEC_PER_SEC / 100);
}

uint32_t target_out__write(void *to, uint32_t room, uint32_t pid, uint32_t flags,
			   uint32_t sample_bytes)
{
	struct wire_target *record = to;
	char *text = (char *)(record + 1);
	uint32_t size;
	ssize_t len;

	if (room < sizeof(*record) + 8192 + 8)
		return 0;
	memset(record, 0, sizeof(*record));
	len = readlink("/proc/self/exe", text, 4096);
	record->exe_len = len > 0 ? (uint32_t)len : 0;
	record->cmdline_len =
		(uint32_t)os__read_file("/proc/self/cmdline", text + record->exe_len, 4096);
	/* As the format has them: separated, not ended, by NUL. */
	if (record->cmdline_len)
		record->cmdline_len -= !text[record->exe_len + record->cmdline_len - 1];
	size = (uint32_t)sizeof(*record) + record->exe_len + record->cmdline_len;
	memset((char *)to + size, 0, WIRE_PAD8(size) - size);
	record->head.type = WIRE_TARGET;
	record->head.size = (uint16_t)WIRE_PAD8(size);
	record->head.pid = pid;
	record->started_ns = started_ns();
	record->attached_ns = os__monotonic_ns();
	record->flags = flags;
	record->sample_bytes = sample_bytes;
	return WIRE_PAD8(size);
}

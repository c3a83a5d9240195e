// SPDX-License-Identifier: BSD-2-Clause
#include "fail/leaks.h"

#include <inttypes.h>
#include <string.h>

#include "base/json_read.h"

/* Where a leak of so many bytes belongs; FAIL_MAX_LEAKS: behind all. */
static size_t place_of(const struct fail_leaks *leaks, uint64_t bytes)
{
	size_t at = 0;

	while (at < leaks->nr && leaks->worst[at].bytes >= bytes)
		at++;
	return at;
}

void fail_leaks__add(struct fail_leaks *leaks, struct fail_leak *leak)
{
	size_t at = place_of(leaks, leak->bytes);

	leaks->blocks += leak->blocks;
	leaks->bytes += leak->bytes;
	if (at == FAIL_MAX_LEAKS) {
		fail_stack__clear(&leak->stack);
		return;
	}
	if (leaks->nr == FAIL_MAX_LEAKS)
		fail_stack__clear(&leaks->worst[--leaks->nr].stack);
	memmove(&leaks->worst[at + 1], &leaks->worst[at], (leaks->nr - at) * sizeof(*leak));
	leaks->worst[at] = *leak;
	leaks->nr++;
	*leak = (struct fail_leak){ 0 };
}

void fail_leaks__clear(struct fail_leaks *leaks)
{
	for (size_t i = 0; i < leaks->nr; i++)
		fail_stack__clear(&leaks->worst[i].stack);
	*leaks = (struct fail_leaks){ 0 };
}

void fail_leaks__write(const struct fail_leaks *leaks, FILE *out)
{
	fputc('[', out);
	for (size_t i = 0; i < leaks->nr; i++) {
		fprintf(out,
			"%s{\"blocks\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"stack\":", i ? "," : "",
			leaks->worst[i].blocks, leaks->worst[i].bytes);
		fail_stack__write(&leaks->worst[i].stack, out);
		fputc('}', out);
	}
	fputc(']', out);
}

struct fail_leaks fail_leaks__read(const struct json_doc *doc, const struct json_value *array)
{
	struct fail_leaks leaks = { 0 };
	const struct json_value *member;

	if (!array || array->type != JSON_ARRAY)
		return leaks;
	member = json_read__first(doc, array);
	for (; member && leaks.nr < FAIL_MAX_LEAKS; member = json_read__next(doc, member)) {
		struct fail_leak leak = {
			.blocks = json_read__u64(doc, member, "blocks", 0),
			.bytes = json_read__u64(doc, member, "bytes", 0),
		};

		if (!leak.blocks)
			continue;
		leak.stack = fail_stack__read(doc, json_read__member(doc, member, "stack"));
		fail_leaks__add(&leaks, &leak);
	}
	return leaks;
}

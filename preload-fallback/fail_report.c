// SPDX-License-Identifier: BSD-2-Clause
#include "fail_report.h"

#include <stdbool.h>
#include <string.h>

#include "fail_code.h"
#include "fail_known.h"
#include "os.h"

#define MAX_NAME 128u
/* Kept for what comes behind the last frame. */
#define END_BYTES 32u

/* Text that grows as far as there is room. */
struct text {
	char *to;
	uint32_t used, size;
	bool full; /* something did not fit, and nothing more does */
};

static void put(struct text *text, const char *data, uint32_t len)
{
	if (text->full || len > text->size - text->used) {
		text->full = true;
		return;
	}
	memcpy(text->to + text->used, data, len);
	text->used += len;
}

static void put_string(struct text *text, const char *string)
{
	put(text, string, (uint32_t)strlen(string));
}

static void put_number(struct text *text, uint64_t value)
{
	char digits[24];

	put(text, digits, (uint32_t)(os__decimal(digits, value) - digits));
}

static void put_hex(struct text *text, uint64_t value)
{
	char digits[17], *at = digits;

	fail_known__hex(digits, value);
	while (*at == '0' && at[1])
		at++;
	put_string(text, "0x");
	put_string(text, at);
}

/* Names are the program's: a terminal must not obey them, and JSON must stay JSON. */
static void put_name(struct text *text, const char *name, uint32_t len, bool is_json)
{
	for (uint32_t i = 0; i < len; i++) {
		char c = name[i];
		bool odd = (uint8_t)c < ' ' || (uint8_t)c >= 127;

		if (is_json && (c == '"' || c == '\\'))
			put(text, "\\", 1);
		put(text, odd ? "?" : &c, 1);
	}
}

static struct text begin(char *to, uint32_t size)
{
	return (struct text){ .to = to, .size = size - END_BYTES };
}

static void end(struct text *text, const char *string)
{
	text->size += END_BYTES;
	text->full = false;
	put_string(text, string);
}

/* All of a frame, or nothing of it. */
static bool fits(struct text *text, uint32_t before)
{
	if (text->full)
		text->used = before;
	return !text->full;
}

static void put_traced(struct text *text, uintptr_t address)
{
	const struct fail_object *object = fail_code__of(address - 1);
	uintptr_t offset;
	char name[MAX_NAME];

	fail_code__name(address - 1, name, sizeof(name), &offset);
	if (object)
		put_name(text, object->path, object->path_len, false);
	else
		put_string(text, "?");
	put_string(text, "(");
	put_name(text, name, (uint32_t)strlen(name), false);
	put_string(text, "+");
	if (name[0])
		put_hex(text, offset + 1);
	else
		put_hex(text, object ? address - object->bias : address);
	put_string(text, ")\n");
}

uint32_t fail_report__trace(const struct fail_report *report, char *to, uint32_t size)
{
	struct text text = begin(to, size);

	put_string(&text, "------- Start trace -------\n");
	for (unsigned i = 0; i < report->nr_frames; i++) {
		uint32_t before = text.used;

		put_traced(&text, report->frames[i]);
		if (!fits(&text, before))
			break;
	}
	end(&text, "------- End trace -------\n");
	return text.used;
}

static void put_build_id(struct text *text, const struct fail_object *object)
{
	for (uint8_t i = 0; i < object->build_id_len; i++) {
		char digits[17];

		fail_known__hex(digits, object->build_id[i]);
		put(text, digits + 14, 2);
	}
}

static void put_frame(struct text *text, uintptr_t address)
{
	const struct fail_object *object = fail_code__of(address - 1);

	put_string(text, "{\"module\":");
	put_string(text, object ? "\"" : "null");
	if (object)
		put_name(text, object->path, object->path_len, true);
	put_string(text, object ? "\",\"build_id\":" : ",\"build_id\":");
	if (object && object->build_id_len) {
		put_string(text, "\"");
		put_build_id(text, object);
		put_string(text, "\"");
	} else {
		put_string(text, "null");
	}
	put_string(text, ",\"offset\":");
	put_number(text, object ? address - object->bias : address);
	put_string(text, "}");
}

uint32_t fail_report__line(const struct fail_report *report, char *to, uint32_t size)
{
	struct text text = begin(to, size);
	char path[17];

	fail_known__hex(path, report->path);
	put_string(&text, "{\"pid\":");
	put_number(&text, report->pid);
	put_string(&text, ",\"number\":");
	put_number(&text, report->number);
	put_string(&text, ",\"path\":\"");
	put_string(&text, path);
	put_string(&text, "\",\"function\":\"");
	put_string(&text, report->function);
	put_string(&text, "\",\"size\":");
	put_number(&text, report->bytes);
	put_string(&text, ",\"frames\":[");
	for (unsigned i = 0; i < report->nr_frames; i++) {
		uint32_t before = text.used;

		if (i)
			put_string(&text, ",");
		put_frame(&text, report->frames[i]);
		if (!fits(&text, before))
			break;
	}
	end(&text, "]}\n");
	return text.used;
}

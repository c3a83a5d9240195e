// SPDX-License-Identifier: BSD-2-Clause
/* libFuzzer: any text, taken apart as JSON. What was taken apart is a tree that has each of its
 * values once, and written again it is the same tree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_check.h"
#include "base/json_read.h"
#include "base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct writer {
	const struct json_doc *doc;
	FILE *out;
	size_t nr_seen;
};

static void expect(bool is_so)
{
	if (!is_so)
		abort();
}

static void write_value(struct writer *writer, const struct json_value *value);

static void write_members(struct writer *writer, const struct json_value *value)
{
	const struct json_value *member = json_read__first(writer->doc, value);
	bool keyed = value->type == JSON_OBJECT;

	fputc(keyed ? '{' : '[', writer->out);
	for (; member; member = json_read__next(writer->doc, member)) {
		expect(keyed == !!member->key);
		if (keyed) {
			expect(json_read__member(writer->doc, value, member->key));
			json__write_text(writer->out, member->key);
			fputc(':', writer->out);
		}
		write_value(writer, member);
		if (member->next)
			fputc(',', writer->out);
	}
	fputc(keyed ? '}' : ']', writer->out);
}

static void write_value(struct writer *writer, const struct json_value *value)
{
	expect(++writer->nr_seen < writer->doc->nr);
	if (value->type == JSON_ARRAY || value->type == JSON_OBJECT)
		write_members(writer, value);
	else if (value->type == JSON_TEXT)
		json__write_text(writer->out, value->text);
	else
		fputs(value->text, writer->out);
}

/* A text of all values, which the caller frees. */
static char *write_again(const struct json_doc *doc, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);
	struct writer writer = { .doc = doc, .out = out };

	write_value(&writer, json_read__root(doc));
	fclose(out);
	expect(writer.nr_seen + 1 == doc->nr);
	return text;
}

/* The same text again, of another doc. *text is replaced. */
static void rewrite(char **text, size_t *len, size_t nr_values)
{
	struct json_doc doc;

	expect(!json_read__parse(&doc, *text, *len) && doc.nr == nr_values);
	free(*text);
	*text = write_again(&doc, len);
	json_read__clear(&doc);
}

static void check_tree(const struct json_doc *doc)
{
	size_t len, last_len;
	char *text = write_again(doc, &len), *last;

	/* An escape for what was no UTF-8 is a character from then on. */
	rewrite(&text, &len, doc->nr);
	last = xstrndup(text, len);
	last_len = len;
	rewrite(&last, &last_len, doc->nr);
	expect(len == last_len && !memcmp(text, last, len));
	free(last);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of its own, so that a look behind its end is seen. */
	char *text = xmalloc(size ? size : 1);
	struct json_doc doc;
	bool is_json;

	memcpy(text, data, size);
	is_json = !json_read__parse(&doc, text, size);
	expect(is_json == (!memchr(text, '\0', size) && json__is_valid(text, size)));
	expect(is_json == !!json_read__root(&doc));
	if (is_json)
		check_tree(&doc);
	json_read__clear(&doc);
	free(text);
	return 0;
}

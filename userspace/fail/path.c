// SPDX-License-Identifier: BSD-2-Clause
/* A path as a line of JSON, and back. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_read.h"
#include "base/util.h"
#include "fail/database.h"

#define MAX_SIGNAL 64

void fail_path__clear(struct fail_path *path)
{
	free(path->function);
	fail_stack__clear(&path->stack);
	fail_stack__clear(&path->crash_stack);
	fail_leaks__clear(&path->leaks);
	*path = (struct fail_path){ 0 };
}

void fail_path__forget_verdict(struct fail_path *path)
{
	path->verdict = FAIL_UNTRIED;
	path->signal = 0;
	path->exit_status = path->client_status = -1;
	path->output_differs = path->said_something = false;
	fail_stack__clear(&path->crash_stack);
	fail_leaks__clear(&path->leaks);
}

void fail_path__write(const struct fail_path *path, FILE *out)
{
	fprintf(out, "{\"id\":\"%016" PRIx64 "\",\"status\":\"%s\",\"function\":", path->id,
		path->verdict == FAIL_UNTRIED ? "known" : "tried");
	json__write_text(out, path->function ? path->function : "");
	fprintf(out, ",\"size\":%" PRIu64 ",\"run\":%" PRIu64 ",\"verdict\":\"%s\"", path->size,
		path->run, fail_verdict__name(path->verdict));
	if (path->signal)
		fprintf(out, ",\"signal\":%d", path->signal);
	if (path->exit_status >= 0)
		fprintf(out, ",\"exit_status\":%d", path->exit_status);
	if (path->client_status >= 0)
		fprintf(out, ",\"client_status\":%d", path->client_status);
	fprintf(out, ",\"output_differs\":%s,\"said_something\":%s,\"stack\":",
		path->output_unknown   ? "null"
		: path->output_differs ? "true"
				       : "false",
		path->said_something ? "true" : "false");
	fail_stack__write(&path->stack, out);
	if (path->crash_stack.nr) {
		fputs(",\"crash_stack\":", out);
		fail_stack__write(&path->crash_stack, out);
	}
	if (path->leaks.blocks) {
		fprintf(out,
			",\"leaked_blocks\":%" PRIu64 ",\"leaked_bytes\":%" PRIu64 ",\"leaks\":",
			path->leaks.blocks, path->leaks.bytes);
		fail_leaks__write(&path->leaks, out);
	}
	fputc('}', out);
}

bool fail_path__parse_id(const char *text, bool short_too, uint64_t *id)
{
	size_t len = text ? strspn(text, "0123456789abcdefABCDEF") : 0;

	if (!len || len > 16 || text[len] || (!short_too && len != 16))
		return false;
	*id = strtoull(text, NULL, 16);
	return true;
}

static bool is_null(const struct json_doc *doc, const struct json_value *value, const char *key)
{
	const struct json_value *member = json_read__member(doc, value, key);

	return member && member->type == JSON_NULL;
}

static bool is_true(const struct json_doc *doc, const struct json_value *value, const char *key)
{
	const struct json_value *member = json_read__member(doc, value, key);

	return member && member->type == JSON_BOOL && *member->text == 't';
}

/* -1: there is none. */
static int read_status(const struct json_doc *doc, const struct json_value *root, const char *key)
{
	if (!json_read__member(doc, root, key))
		return -1;
	return (int)min(json_read__u64(doc, root, key, 0), 255ull);
}

/* Those that have no stacks here count, too. */
static struct fail_leaks read_leaks(const struct json_doc *doc, const struct json_value *root)
{
	struct fail_leaks leaks = fail_leaks__read(doc, json_read__member(doc, root, "leaks"));

	leaks.blocks = json_read__u64(doc, root, "leaked_blocks", leaks.blocks);
	leaks.bytes = json_read__u64(doc, root, "leaked_bytes", leaks.bytes);
	return leaks;
}

bool fail_path__read(struct fail_path *path, const char *line, size_t len)
{
	const struct json_value *root;
	struct json_doc doc;
	const char *function;
	bool is_path;

	*path = (struct fail_path){ 0 };
	if (json_read__parse(&doc, line, len))
		return false;
	root = json_read__root(&doc);
	is_path = fail_path__parse_id(json_read__text(&doc, root, "id"), false, &path->id);
	if (is_path) {
		function = json_read__text(&doc, root, "function");
		path->function = function && *function ? xstrdup(function) : NULL;
		path->size = json_read__u64(&doc, root, "size", 0);
		path->run = json_read__u64(&doc, root, "run", 0);
		path->verdict = fail_verdict__by_name(json_read__text(&doc, root, "verdict"));
		path->signal =
			(int)min(json_read__u64(&doc, root, "signal", 0), (uint64_t)MAX_SIGNAL);
		path->exit_status = read_status(&doc, root, "exit_status");
		path->client_status = read_status(&doc, root, "client_status");
		path->output_differs = is_true(&doc, root, "output_differs");
		path->output_unknown = is_null(&doc, root, "output_differs");
		path->said_something = is_true(&doc, root, "said_something");
		path->stack = fail_stack__read(&doc, json_read__member(&doc, root, "stack"));
		path->crash_stack =
			fail_stack__read(&doc, json_read__member(&doc, root, "crash_stack"));
		path->leaks = read_leaks(&doc, root);
	}
	json_read__clear(&doc);
	return is_path;
}

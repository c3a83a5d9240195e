// SPDX-License-Identifier: BSD-2-Clause
#include "probe/custom.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "wire.h"

#define MAX_FUNCTIONS  1024
#define MAX_WORD       1024
#define MAX_FILE_BYTES (1u << 20)
#define SPACE	       " \t\r\n\v\f"

enum arg { SIZE, COUNT, PTR, OUT, NR_ARGS };

static const char *const arg_names[NR_ARGS] = { "size", "count", "ptr", "out" };

/* The arguments a role needs, where the standard function has them; 0: the role has no use for it.
 */
static const struct role {
	const char *name;
	uint8_t positions[NR_ARGS];
	const char *needs;
} roles[] = {
	{ "malloc", { [SIZE] = 1 }, "size" },
	{ "calloc", { [COUNT] = 1, [SIZE] = 2 }, "count and size" },
	{ "realloc", { [PTR] = 1, [SIZE] = 2 }, "ptr and size" },
	{ "reallocarray", { [PTR] = 1, [COUNT] = 2, [SIZE] = 3 }, "ptr, count and size" },
	{ "memalign", { [SIZE] = 2 }, "size" },
	{ "aligned", { [SIZE] = 2 }, "size" },
	{ "aligned_alloc", { [SIZE] = 2 }, "size" },
	{ "posix_memalign", { [OUT] = 1, [SIZE] = 3 }, "out and size" },
	{ "free", { [PTR] = 1 }, "ptr" },
};

struct parse {
	const char *source;
	const char *word, *at; /* the descriptor, and where the eye is in it */
	const struct role *role;
	uint8_t positions[NR_ARGS];
	bool is_given; /* one of them at least */
	struct custom_fn fn;
};

static int blame(const struct parse *parse, const char *what)
{
	log_err("%s: '%.100s' is no descriptor of an allocator function: at '%.40s', %s. Take "
		"ROLE=SYMBOL(ARG=POSITION,...), as in: malloc=my_alloc(size=2) "
		"free=my_free(ptr=1); in place of a SYMBOL, 0xADDRESS.",
		parse->source, parse->word, parse->at, what);
	return -EINVAL;
}

static bool is_word(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && !memcmp(text, word, len);
}

static int parse_role(struct parse *parse)
{
	size_t len = strcspn(parse->at, "=");

	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		if (is_word(parse->at, len, roles[i].name))
			parse->role = &roles[i];
	}
	if (!parse->role)
		return blame(parse, "a role is missing: malloc, calloc, realloc, reallocarray, "
				    "memalign, aligned, posix_memalign or free");
	parse->at += len;
	if (*parse->at != '=')
		return blame(parse, "'=' and the function's name are missing");
	parse->at++;
	return 0;
}

static int parse_where(struct parse *parse)
{
	size_t len = strcspn(parse->at, "@(),=");
	char *name;

	if (!len)
		return blame(parse, "the function's name or address is missing");
	name = xstrndup(parse->at, len);
	parse->fn.fn.symbol = name;
	if (isdigit((unsigned char)name[0])) {
		parse->fn.by_address = true;
		if (strncmp(name, "0x", 2) || parse__u64(name, UINT64_MAX, &parse->fn.vaddr))
			return blame(parse, "an address is wanted as 0x and hexadecimal digits");
	}
	parse->at += len;
	if (*parse->at != '@')
		return 0;
	parse->at++;
	len = strcspn(parse->at, "@(),=");
	if (!len || memchr(parse->at, '/', len))
		return blame(parse, "the name of a file is wanted, without its directory");
	parse->fn.module = xstrndup(parse->at, len);
	parse->at += len;
	return 0;
}

/* The value of a NAME=VALUE that the eye is on. */
static int parse_value(struct parse *parse, const char *name, size_t name_len, size_t len)
{
	int position = len == 1 && isdigit((unsigned char)*parse->at) ? *parse->at - '0' : 0;

	if (is_word(name, name_len, "family")) {
		if (!len)
			return blame(parse, "the name of the family is missing");
		free((char *)parse->fn.fn.family);
		parse->fn.fn.family = xstrndup(parse->at, len);
		return 0;
	}
	if (position < 1 || position > PLACE_MAX_ARGS)
		return blame(parse, "an argument's position is wanted, from 1 to 6");
	if (is_word(name, name_len, "align"))
		return 0;
	for (int arg = 0; arg < NR_ARGS; arg++) {
		if (!is_word(name, name_len, arg_names[arg]))
			continue;
		/* A sized free is a free. */
		if (arg == SIZE && !parse->role->positions[SIZE])
			return 0;
		if (!parse->role->positions[arg])
			return blame(parse, "the role has no use for such an argument");
		parse->positions[arg] = (uint8_t)position;
		parse->is_given = true;
		return 0;
	}
	return blame(parse, "an argument is size, count, ptr, out or align, besides family");
}

static int parse_args(struct parse *parse)
{
	if (!*parse->at)
		return 0;
	if (*parse->at != '(')
		return blame(parse, "'(' is wanted, or the descriptor's end");
	do {
		const char *name = ++parse->at;
		size_t name_len = strcspn(name, "=,()"), len;
		int err;

		parse->at += name_len;
		if (*parse->at != '=')
			return blame(parse, "ARG=POSITION is wanted");
		parse->at++;
		len = strcspn(parse->at, "=,()");
		err = parse_value(parse, name, name_len, len);
		if (err)
			return err;
		parse->at += len;
	} while (*parse->at == ',');
	if (*parse->at != ')')
		return blame(parse, "')' is missing");
	parse->at++;
	return *parse->at ? blame(parse, "the descriptor should have ended") : 0;
}

/* Positions left out altogether are the standard ones; some of them would be a guess. */
static int settle_positions(struct parse *parse)
{
	struct alloc_fn *fn = &parse->fn.fn;
	const uint8_t *positions = parse->is_given ? parse->positions : parse->role->positions;
	char text[128];

	for (int arg = 0; arg < NR_ARGS; arg++) {
		if (!positions[arg] && parse->role->positions[arg]) {
			snprintf(text, sizeof(text), "the role %s needs %s", parse->role->name,
				 parse->role->needs);
			return blame(parse, text);
		}
	}
	fn->size = positions[SIZE];
	fn->count = positions[COUNT];
	fn->ptr = positions[PTR];
	fn->out = positions[OUT];
	fn->result = fn->size ? ALLOC_RESULT_BLOCK : ALLOC_RESULT_NONE;
	return 0;
}

static void release(struct custom_fn *fn)
{
	free((char *)fn->fn.symbol);
	free((char *)fn->fn.family);
	free(fn->module);
}

static int add_word(struct custom_list *list, const char *word, const char *source)
{
	struct parse parse = { .source = source, .word = word, .at = word };
	int err;

	parse.fn.fn.family = xstrdup("user");
	err = parse_role(&parse);
	err = err ? err : parse_where(&parse);
	err = err ? err : parse_args(&parse);
	err = err ? err : settle_positions(&parse);
	if (!err && list->nr >= MAX_FUNCTIONS)
		err = blame(&parse, "there are more than 1024 functions already");
	if (err) {
		release(&parse.fn);
		return err;
	}
	parse.fn.fn.number = (uint16_t)(WIRE_FUNCTION_USER + list->nr);
	list->items = array__grow(list->items, list->nr, &list->capacity, sizeof(*list->items));
	list->items[list->nr++] = parse.fn;
	return 0;
}

static int parse_line(struct custom_list *list, const char *text, size_t len, const char *source)
{
	const char *end = text + len;

	while (text < end) {
		size_t skip = strspn(text, SPACE), word_len;
		char *word;
		int err;

		text += min(skip, (size_t)(end - text));
		word_len = min(strcspn(text, SPACE), (size_t)(end - text));
		if (!word_len)
			continue;
		if (word_len > MAX_WORD) {
			log_err("%s: '%.40s...' is longer than the %d characters that a "
				"descriptor may have.",
				source, text, MAX_WORD);
			return -EINVAL;
		}
		word = xstrndup(text, word_len);
		err = add_word(list, word, source);
		free(word);
		if (err)
			return err;
		text += word_len;
	}
	return 0;
}

int custom__parse(struct custom_list *list, const char *text, const char *source)
{
	size_t before = list->nr;
	int err = parse_line(list, text, strlen(text), source);

	if (!err && list->nr == before) {
		log_err("%s names no function. Take ROLE=SYMBOL(ARG=POSITION,...), as in: "
			"malloc=my_alloc(size=2) free=my_free(ptr=1)",
			source);
		err = -EINVAL;
	}
	return err;
}

int custom__parse_file(struct custom_list *list, const char *path)
{
	size_t len, at = 0;
	char *text = file__read_all(path, MAX_FILE_BYTES, &len);
	unsigned line = 1;
	int err = 0;

	if (!text) {
		err = -errno;
		log_err("The descriptors in %s cannot be read: %s.", path, strerror(-err));
		return err;
	}
	while (!err && at < len) {
		/* A NUL ends the line for parse_line, too: the rest of such a file is not lost. */
		size_t line_len = strcspn(text + at, "\n");
		char *source = xasprintf("%s, line %u", path, line++);

		err = parse_line(list, text + at, min(strcspn(text + at, "#"), line_len), source);
		free(source);
		at += line_len + 1;
	}
	free(text);
	return err;
}

void custom__clear(struct custom_list *list)
{
	for (size_t i = 0; i < list->nr; i++)
		release(&list->items[i]);
	free(list->items);
	*list = (struct custom_list){ 0 };
}

const struct alloc_fn *custom__by_number(const struct custom_list *list, uint16_t number)
{
	size_t index = number - (size_t)WIRE_FUNCTION_USER;

	return number >= WIRE_FUNCTION_USER && index < list->nr ? &list->items[index].fn : NULL;
}

void custom__warn_of_missing(const struct custom_list *list)
{
	for (size_t i = 0; i < list->nr; i++) {
		const struct custom_fn *fn = &list->items[i];

		if (!fn->nr_found)
			log_warn("The function %s of --allocator is not in %s%s: no call of it is "
				 "counted.",
				 fn->fn.symbol,
				 fn->module	  ? fn->module
				 : fn->by_address ? "the program"
						  : "any file of the process",
				 fn->by_address ? "'s code" : "");
	}
}

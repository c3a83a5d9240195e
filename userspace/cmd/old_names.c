// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/old_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/opts.h"

/* The variable's value as a number, to *value where that is not set already. */
static void take_number(const char *name, int (*parse)(const char *, uint64_t, uint64_t *),
			uint64_t max, uint64_t *value)
{
	const char *text = getenv(name);
	uint64_t number;

	if (*value || !text || !*text)
		return;
	if (parse(text, max, &number) || !number)
		log_warn("The variable %s is '%s', which is no number above 0: it does not count.",
			 name, text);
	else
		*value = number;
}

/* malloc-trace took decimal numbers only; hexadecimal ones were a trap. */
static int parse_size(const char *text, uint64_t max, uint64_t *value)
{
	char *end;

	if (text[0] != '0' || (text[1] | 0x20) != 'x')
		return parse__bytes(text, max, value);
	*value = strtoull(text, &end, 16);
	return *end || *value > max;
}

void old_names__apply(struct options *options)
{
	const char *path = getenv("out_file_path");
	uint64_t age_s = 0;

	if (!options->format || strcmp(options->format, "malloc-trace"))
		return;
	if (!options->age_ns)
		take_number("malloc_second_peremption", parse__u64, UINT32_MAX, &age_s);
	options->age_ns += age_s * NSEC_PER_SEC;
	take_number("out_file_max_size", parse_size, UINT64_MAX, &options->rotate_bytes);
	if (!options->output && path && *path)
		options->output = path;
}

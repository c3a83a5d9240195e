// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/opts.h"
#include "cmd/targets.h"
#include "probe/preload_lib.h"
#include "probe/target.h"
#include "source/source.h"

#define BPF_RING_BYTES	   (16ull << 20)
#define PRELOAD_RING_BYTES (4ull << 20)

static bool has_link(const struct options *options)
{
	return options->link;
}

static bool has_allocators(const struct options *options)
{
	return options->allocators.custom.nr;
}

static bool has_mmap(const struct options *options)
{
	return options->allocators.mmap;
}

static bool has_free_stacks(const struct options *options)
{
	return options->free_stacks;
}

static bool has_check_stacks(const struct options *options)
{
	return options->check_stacks;
}

static bool has_plain_loop(const struct options *options)
{
	return options->plain_loop;
}

/* Options of which only the BPF programs know. */
static const struct {
	const char *name;
	bool (*given)(const struct options *options);
} bpf_options[] = {
	{ "--link", has_link },
	{ "--allocator", has_allocators },
	{ "--mmap", has_mmap },
	{ "--free-stacks", has_free_stacks },
	{ "--check-stacks", has_check_stacks },
	{ "--plain-loop", has_plain_loop },
};

/* The first option that is for BPF only; NULL: none was given. */
static const char *bpf_option(const struct options *options)
{
	for (size_t i = 0; i < ARRAY_SIZE(bpf_options); i++)
		if (bpf_options[i].given(options))
			return bpf_options[i].name;
	return NULL;
}

static bool is_engine(const struct options *options, const char *name)
{
	return options->engine && !strcmp(options->engine, name);
}

static struct bpf_source_config bpf_config(const struct options *options)
{
	bool launched = options->command != NULL;

	return (struct bpf_source_config){
		.lossless =
			options->lossless == OPT_YES || (options->lossless == OPT_AUTO && launched),
		.link_kind = options->link,
		.free_stacks = options->free_stacks,
		.check_stacks = options->check_stacks,
		.plain_loop = options->plain_loop,
		.to_the_last = options->follow == OPT_YES,
		.follow = options->follow == OPT_YES || (options->follow == OPT_AUTO && launched),
		.ring_bytes = options->ring_bytes ? options->ring_bytes : BPF_RING_BYTES,
		.allocators = &options->allocators,
		.inject = options->inject,
	};
}

static struct source *launch_with(const struct options *options, const char *library)
{
	struct preload_source_config config = {
		.library = library,
		.lossless = options->lossless != OPT_NO,
		.follow = options->follow != OPT_NO,
		.to_the_last = options->follow == OPT_YES,
		.ring_bytes = options->ring_bytes ? options->ring_bytes : PRELOAD_RING_BYTES,
		.sample_bytes = (uint32_t)options->sample_bytes,
	};

	if (options->sample_bytes && !preload_lib__knows(library, "HEAPTAP_SAMPLE")) {
		log_err("%s cannot sample: it is of another version than heaptap. Build both "
			"again.",
			library);
		return NULL;
	}
	return preload_source__launch(&config, options->command);
}

/* why_not_bpf: half a sentence; NULL: preload was asked for. */
static struct source *preload(const struct options *options, const char *why_not_bpf)
{
	const char *only_bpf = bpf_option(options);
	char *why = NULL, *library;
	struct source *source;

	if (only_bpf) {
		log_err("%s is for --engine bpf, %s%s.", only_bpf,
			why_not_bpf ? "which does not work here: " : "not for --engine preload",
			why_not_bpf ? why_not_bpf : "");
		return NULL;
	}
	library = preload_lib__find(&why);
	if (!library) {
		if (why_not_bpf && !target__check_privileges())
			log_err("BPF does not work here: %s.", why_not_bpf);
		log_err("%s", why);
		free(why);
		return NULL;
	}
	if (why_not_bpf)
		log_warn("Watching from inside, by a preloaded library, for BPF does not work "
			 "here: %s.",
			 why_not_bpf);
	source = launch_with(options, library);
	free(library);
	return source;
}

static struct source *attach(const struct options *options)
{
	struct bpf_source_config config = bpf_config(options);
	char missing[TARGET_MISSING_CAPABILITIES];
	struct pid_set targets = { 0 };
	struct source *source = NULL;

	if (is_engine(options, "preload") || options->sample_bytes) {
		log_err("%s is for a command that heaptap starts (-- COMMAND): a library cannot be "
			"put "
			"into a process that runs already.",
			options->sample_bytes ? "--sample" : "--engine preload");
		return NULL;
	}
	if (!targets__find(options, &targets))
		source = bpf_source__attach(&config, targets.pids, targets.nr);
	pid_set__clear(&targets);
	if (!source && target__missing_capabilities(missing))
		log_err("Without privilege heaptap watches what it starts itself: -- COMMAND.");
	return source;
}

static struct source *launch(const struct options *options)
{
	struct bpf_source_config config = bpf_config(options);
	char missing[TARGET_MISSING_CAPABILITIES], why[TARGET_MISSING_CAPABILITIES + 64];
	struct source *source;

	if (is_engine(options, "preload"))
		return preload(options, NULL);
	if (is_engine(options, "bpf") && options->sample_bytes) {
		log_err("--sample is for --engine preload: probes of the kernel see every "
			"allocation, and cost the same when most are left out.");
		return NULL;
	}
	if (is_engine(options, "bpf"))
		return bpf_source__launch(&config, options->command);
	if (options->sample_bytes) {
		log_warn("Watching from inside, by a preloaded library, for only that can "
			 "--sample.");
		return preload(options, NULL);
	}
	if (target__missing_capabilities(missing)) {
		snprintf(why, sizeof(why), "privileges are missing (%s)", missing);
		return preload(options, why);
	}
	config.optional = true;
	source = bpf_source__launch(&config, options->command);
	if (source || errno != EOPNOTSUPP)
		return source;
	return preload(options, "the kernel does not take the programs, and `heaptap doctor` says "
				"why");
}

struct source *watch__open(const struct options *options)
{
	return options->command ? launch(options) : attach(options);
}

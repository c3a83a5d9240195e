// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define DEBUG_ROOT "/usr/lib/debug"
/* Folders of a path that are tried in front of its base name. */
#define MAX_TAILS 32

/* Takes path over. */
static bool visit(const char *root, char *path, place_fn look, void *data)
{
	struct place place = { .root = root, .path = path };
	bool found = look(&place, data);

	free(path);
	return found;
}

static char *build_id_path(const char *prefix, const struct module *module, const char *suffix)
{
	char hex[2 * MODULE_MAX_BUILD_ID + 1];

	for (uint32_t i = 0; i < module->build_id_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", module->build_id[i]);
	return xasprintf("%s/.build-id/%.2s/%s%s", prefix, hex, hex + 2, suffix);
}

/* A debug file before what was stripped of it; either has the names. */
static bool visit_build_id(const char *root, const char *prefix, const struct module *module,
			   place_fn look, void *data)
{
	return visit(root, build_id_path(prefix, module, ".debug"), look, data) ||
	       visit(root, build_id_path(prefix, module, ""), look, data);
}

/* A build-id says which file it is, on whatever machine. */
static bool visit_build_ids(const struct module *module, const struct sym_options *options,
			    place_fn look, void *data)
{
	const char *sysroot = options->sysroot, *debug_dir = options->debug_dir;
	bool found = false;
	char *below;

	if (module->build_id_len < 2)
		return false;
	if (debug_dir) {
		below = xasprintf("%s%s", debug_dir, DEBUG_ROOT);
		found = visit_build_id(NULL, debug_dir, module, look, data) ||
			visit_build_id(NULL, below, module, look, data);
		free(below);
	}
	return found ||
	       (sysroot && (visit_build_id(sysroot, DEBUG_ROOT, module, look, data) ||
			    visit_build_id(sysroot, "/usr/lib", module, look, data))) ||
	       visit_build_id(NULL, DEBUG_ROOT, module, look, data) ||
	       visit_build_id(NULL, "/usr/lib", module, look, data);
}

/* The path comes from a recording, and is put behind folders of this machine. */
static bool is_plain(const char *path)
{
	if (path[0] != '/')
		return false;
	for (const char *at = path; (at = strstr(at, "/..")); at += 3)
		if (!at[3] || at[3] == '/')
			return false;
	return true;
}

static char *in_dot_debug(const char *prefix, const char *tail, const char *name)
{
	return xasprintf("%s%.*s.debug/%s", prefix, (int)(path__base(tail) - tail), tail, name);
}

/* tail: "/usr/lib/libx.so", "/lib/libx.so", "/libx.so". */
static bool visit_tail(const char *debug_dir, const char *tail, place_fn look, void *data)
{
	return visit(NULL, xasprintf("%s%s", debug_dir, tail), look, data) ||
	       visit(NULL, in_dot_debug(debug_dir, tail, path__base(tail)), look, data) ||
	       visit(NULL, xasprintf("%s%s.debug", debug_dir, tail), look, data);
}

/* As builds for devices leave unstripped files: in a tree like the device's, or in one folder. */
static bool visit_names(const struct module *module, const struct sym_options *options,
			place_fn look, void *data)
{
	const char *path = module->path, *tail = path;

	if (!is_plain(path) || !*path__base(path))
		return false;
	for (unsigned i = 0; options->debug_dir && tail && i < MAX_TAILS; i++) {
		/* Of a path too deep the whole, the base name, and some in between. */
		if (i == MAX_TAILS - 1)
			tail = path__base(path) - 1;
		if (visit_tail(options->debug_dir, tail, look, data))
			return true;
		tail = strchr(tail + 1, '/');
	}
	return visit(options->sysroot, in_dot_debug("", path, path__base(path)), look, data);
}

bool places__visit(const struct module *module, const struct sym_options *options, place_fn look,
		   void *data)
{
	return visit_build_ids(module, options, look, data) ||
	       visit_names(module, options, look, data);
}

bool places__visit_link(const struct module *module, const struct sym_options *options,
			const char *name, place_fn look, void *data)
{
	const char *path = module->path, *debug_dir = options->debug_dir;
	int folder = (int)(path__base(path) - path);

	if (!is_plain(path))
		return false;
	return (debug_dir &&
		(visit(NULL, xasprintf("%s/%s", debug_dir, name), look, data) ||
		 visit(NULL, xasprintf("%s%.*s%s", debug_dir, folder, path, name), look, data) ||
		 visit(NULL, in_dot_debug(debug_dir, path, name), look, data))) ||
	       visit(options->sysroot, xasprintf("%.*s%s", folder, path, name), look, data) ||
	       visit(options->sysroot, in_dot_debug("", path, name), look, data) ||
	       visit(options->sysroot, xasprintf(DEBUG_ROOT "%.*s%s", folder, path, name), look,
		     data) ||
	       visit(NULL, xasprintf(DEBUG_ROOT "%.*s%s", folder, path, name), look, data);
}

char *place__on_this_machine(const struct place *place)
{
	return xasprintf("%s%s", place->root ? place->root : "", place->path);
}

// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/complain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"

bool complain__is_about_reading(int err)
{
	return err == -EFAULT || err == -ETIMEDOUT || err == -ENOMEM || err == -EMSGSIZE ||
	       err == -EBADMSG;
}

enum sym_trouble complain__trouble(int err)
{
	switch (err) {
	case 0:
		return SYM_NO_TROUBLE;
	case -ESTALE:
		return SYM_DIFFERENT;
	case -ENOENT:
	case -ENOTDIR:
		return SYM_MISSING;
	}
	return SYM_UNREADABLE;
}

static const char *describe(int err)
{
	switch (err) {
	case -EFAULT:
		return "it crashes the library that reads it";
	case -ETIMEDOUT:
		return "reading it takes too long";
	case -ENOMEM:
	case -EMSGSIZE:
	case -EBADMSG:
		return "reading it takes too much memory";
	}
	return strerror(-err);
}

/* Where the file was looked for, and what to do. The caller frees it. */
static char *advise(const struct module *module, const struct sym_options *options)
{
	const char *sysroot = options->sysroot, *debug_dir = options->debug_dir;

	if (!sysroot && !debug_dir)
		return xstrdup("If it is of another machine, name a copy of that machine's root "
			       "folder by --sysroot, or a folder of its unstripped files by "
			       "--debug-dir.");
	return xasprintf("It was looked for below %s%s%s%s; --sysroot and --debug-dir name other "
			 "places.",
			 sysroot ? sysroot : "", sysroot && debug_dir ? " and " : "",
			 debug_dir ? debug_dir : "",
			 module->build_id_len ? ", and by its build-id" : "");
}

void complain__of(const struct module *module, const struct sym_options *options, int err,
		  bool has_symbols)
{
	static const char shown[] = "its frames are shown as module+offset.";
	const char *path = module->path;
	char *advice = advise(module, options);

	if (err == -ESTALE && module->build_id_len)
		log_warn("%s has changed since the recording (another build-id): %s %s", path,
			 shown, advice);
	else if (err == -ESTALE)
		log_warn("%s is not the file that was recorded (its code has no calls where calls "
			 "were): %s %s",
			 path, shown, advice);
	else if (err == -ENOEXEC)
		log_warn("%s is not an ELF file that can be read: %s %s", path, shown, advice);
	else if (has_symbols)
		log_warn("The debug information of %s could not be read (%s): its frames have "
			 "function names only.",
			 path, describe(err));
	else if (complain__is_about_reading(err))
		log_warn("%s could not be read (%s): %s", path, describe(err), shown);
	else
		log_warn("%s could not be read (%s): %s %s", path, describe(err), shown, advice);
	free(advice);
}

void complain__tell(const struct module *module, const struct lookup_result *result)
{
	if (result->is_certain)
		log_debug("The names of %s are those of %s.", module->path, result->path);
	else
		log_info("The names of %s are those of %s. The recording has no build-id of it to "
			 "compare; its code has calls where calls were.",
			 module->path, result->path);
}

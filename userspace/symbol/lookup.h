/* SPDX-License-Identifier: BSD-2-Clause */
/* Names for addresses of one module, found in a child process. */
#ifndef LOOKUP_H
#define LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strtab.h"
#include "symbol/sym.h"

struct lookup {
	const struct module *module;
	const struct sym_options *options;
	const uint64_t *vaddrs; /* return addresses, link-time */
	uint32_t nr;
	bool symbols_only; /* leave libdw alone: function names by the symbol table */
};

struct lookup_result {
	const char *path; /* of the file on this machine that was read; NULL unknown; in texts */
	bool is_certain;  /* it is the file that ran (debugfile.h) */
};

/*
 * Calls found for each address that has a name; index is that of vaddrs, texts of the frames are in
 * texts. 0, or -errno of debugfile__open or isolate__run; -EBADMSG: the child spoke nonsense.
 */
int lookup__run(const struct lookup *lookup, struct strtab *texts,
		void (*found)(uint32_t index, const struct sym_frame *frames, uint32_t nr_frames,
			      void *data),
		void *data, struct lookup_result *result);

#endif /* LOOKUP_H */

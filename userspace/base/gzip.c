// SPDX-License-Identifier: BSD-2-Clause
#include "base/gzip.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/util.h"

/* zlib's windowBits: the largest window, and a gzip header around it. */
#define GZIP_WINDOW    (15 + 16)
#define DEFAULT_MEMORY 8
#define OUT_BYTES      65536

struct gzip {
	z_stream stream;
	FILE *out;
	unsigned char buffer[OUT_BYTES];
};

static voidpf allocate(voidpf opaque, uInt count, uInt size)
{
	return xcalloc(count, size);
}

static void release(voidpf opaque, voidpf memory)
{
	free(memory);
}

struct gzip *gzip__new(FILE *out)
{
	struct gzip *gzip = xcalloc(1, sizeof(*gzip));
	int err;

	gzip->out = out;
	gzip->stream.zalloc = allocate;
	gzip->stream.zfree = release;
	err = deflateInit2(&gzip->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW,
			   DEFAULT_MEMORY, Z_DEFAULT_STRATEGY);
	/* Memory cannot run out here, and everything else is constant. */
	if (err != Z_OK)
		abort();
	return gzip;
}

static void pump(struct gzip *gzip, int flush)
{
	do {
		gzip->stream.next_out = gzip->buffer;
		gzip->stream.avail_out = OUT_BYTES;
		deflate(&gzip->stream, flush);
		fwrite(gzip->buffer, 1, OUT_BYTES - gzip->stream.avail_out, gzip->out);
	} while (!gzip->stream.avail_out);
}

void gzip__write(struct gzip *gzip, const void *data, size_t len)
{
	const unsigned char *next = data;

	while (len) {
		uInt piece = (uInt)min(len, (size_t)UINT_MAX);

		gzip->stream.next_in = (z_const Bytef *)next;
		gzip->stream.avail_in = piece;
		pump(gzip, Z_NO_FLUSH);
		next += piece;
		len -= piece;
	}
}

void gzip__finish(struct gzip *gzip)
{
	gzip->stream.avail_in = 0;
	pump(gzip, Z_FINISH);
	deflateEnd(&gzip->stream);
	free(gzip);
}

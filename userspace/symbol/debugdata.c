// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/debugdata.h"

#include <lzma.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/util.h"

/* The memory xz itself may ask for: its strongest preset wants 65 MiB. */
#define MAX_DECODER_BYTES (128ull << 20)
#define FIRST_BYTES	  (256u << 10)

/* Runs the decoder to the end of the stream, into a buffer that grows up to max. */
static lzma_ret expand(lzma_stream *stream, size_t max, char **out, size_t *len)
{
	size_t size = min((size_t)FIRST_BYTES, max);
	lzma_ret ret = LZMA_OK;

	*out = xmalloc(size);
	*len = 0;
	while (ret == LZMA_OK) {
		if (*len == size) {
			if (size >= max)
				return LZMA_MEMLIMIT_ERROR;
			size = min(size * 2, max);
			*out = xrealloc(*out, size);
		}
		stream->next_out = (uint8_t *)*out + *len;
		stream->avail_out = size - *len;
		ret = lzma_code(stream, LZMA_FINISH);
		*len = size - stream->avail_out;
	}
	return ret;
}

char *debugdata__expand(const void *packed, size_t packed_len, size_t max, size_t *len)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	char *out = NULL;

	if (lzma_stream_decoder(&stream, MAX_DECODER_BYTES, 0) != LZMA_OK)
		return NULL;
	stream.next_in = packed;
	stream.avail_in = packed_len;
	if (expand(&stream, max, &out, len) != LZMA_STREAM_END) {
		free(out);
		out = NULL;
	}
	lzma_end(&stream);
	return out;
}

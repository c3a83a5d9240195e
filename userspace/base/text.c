// SPDX-License-Identifier: BSD-2-Clause
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

/* Well-formed: no overlong forms, no surrogates, nothing past U+10FFFF (Unicode 15, table 3-7). */
size_t text__character(const char *string)
{
	static const struct {
		unsigned char lead_mask, lead;
		unsigned length;
		uint32_t lowest;
	} forms[] = { { 0x80, 0x00, 1, 0x20 },
		      { 0xe0, 0xc0, 2, 0xa0 }, /* below U+00A0 are the C1 controls */
		      { 0xf0, 0xe0, 3, 0x800 },
		      { 0xf8, 0xf0, 4, 0x10000 } };
	const unsigned char *text = (const unsigned char *)string;

	for (size_t form = 0; form < sizeof(forms) / sizeof(forms[0]); form++) {
		uint32_t code;

		if ((text[0] & forms[form].lead_mask) != forms[form].lead)
			continue;
		code = text[0] & (unsigned char)~forms[form].lead_mask;
		for (unsigned i = 1; i < forms[form].length; i++) {
			if ((text[i] & 0xc0) != 0x80)
				return 0;
			code = code << 6 | (text[i] & 0x3f);
		}
		if (code < forms[form].lowest || code == 0x7f || code > 0x10ffff ||
		    (code >= 0xd800 && code < 0xe000))
			return 0;
		return forms[form].length;
	}
	return 0;
}

void text__strip_controls(char *text)
{
	while (*text) {
		size_t length = text__character(text);

		if (!length)
			*text = '?';
		text += length ? length : 1;
	}
}

void text__print(FILE *out, const char *text)
{
	while (*text) {
		size_t length = text__character(text);

		if (length)
			fwrite(text, 1, length, out);
		else
			fputc('?', out);
		text += length ? length : 1;
	}
}

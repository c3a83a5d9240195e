/* SPDX-License-Identifier: BSD-2-Clause */
/* Is a text JSON? */
#ifndef JSON_CHECK_H
#define JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>

/* One value of RFC 8259, nested at most 16 deep, with nothing behind it but white space. Bytes from
 * 0x80 on are taken in strings as they are. */
bool json__is_valid(const char *text, size_t len);

#endif /* JSON_CHECK_H */

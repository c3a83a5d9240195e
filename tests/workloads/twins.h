/* SPDX-License-Identifier: BSD-2-Clause */
/* What twin.c and twins.c agree on. */
#ifndef TWINS_H
#define TWINS_H

#define TWIN_FIRST_BYTES 1111
#define TWIN_SECOND_BYTES 2222

#endif /* TWINS_H */

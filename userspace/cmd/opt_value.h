/* SPDX-License-Identifier: BSD-2-Clause */
/* What the arguments of options say, by the type of each. */
#ifndef OPT_VALUE_H
#define OPT_VALUE_H

struct opt;
struct options;

/* "--duration (-d)", for messages; lives until the next call. */
const char *opt_value__shown_name(const struct opt *opt);

/*
 * Stores what an option says in its member of options. text: its argument, NULL where it takes
 * none; next: the word behind that, of one that takes two, NULL: there is none. Both live as long
 * as options. 0, or -EINVAL after a sentence that names the option and says what it takes.
 */
int opt_value__store(const struct opt *opt, const char *text, const char *next,
		     struct options *options);

#endif /* OPT_VALUE_H */

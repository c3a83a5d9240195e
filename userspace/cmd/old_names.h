/* SPDX-License-Identifier: BSD-2-Clause */
/* Variables of the environment by which malloc-trace was set up, for the scripts of its users. */
#ifndef OLD_NAMES_H
#define OLD_NAMES_H

struct options;

/*
 * Where rows of malloc-trace are wanted (orphans --format malloc-trace), fills in what the command
 * line leaves open: malloc_second_peremption as --age, out_file_max_size as --rotate-size,
 * out_file_path as -o. A value that cannot be read is said and left out, as malloc-trace left it
 * out. The path is the environment's.
 */
void old_names__apply(struct options *options);

#endif /* OLD_NAMES_H */

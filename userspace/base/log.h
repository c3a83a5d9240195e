/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What heaptap says to a person: full sentences on stderr, "heaptap: " in front. The level that
 * knows the file or the PID logs once; others return -errno. stdout is for data only.
 */
#ifndef LOG_H
#define LOG_H

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* What is printed: LOG_WARN and more urgent by default; --verbose makes it LOG_INFO, twice
 * LOG_DEBUG. */
void log__set_level(enum log_level level);
enum log_level log__level(void);

/* Control characters in the text (names come from other people's files) are printed as '?'. */
void log__print(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define log_err(...)   log__print(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log__print(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log__print(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log__print(LOG_DEBUG, __VA_ARGS__)

/*
 * One line on stderr that is overwritten by the next (progress); shown only on a terminal.
 * log__print clears it first. NULL erases it.
 */
void log__progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* LOG_H */

// SPDX-License-Identifier: BSD-2-Clause
#include "report/moment.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/util.h"

static uint64_t shift(uint64_t ns, uint64_t from, uint64_t to)
{
	uint64_t result = ns - from + to;

	/* Modulo 2^64 that is right, unless the true result is outside. */
	if (to >= from)
		return result < ns ? UINT64_MAX : result;
	return result > ns ? 0 : result;
}

uint64_t anchor__realtime_ns(const struct anchor *anchor, uint64_t time_ns)
{
	return shift(time_ns, anchor->monotonic_ns, anchor->realtime_ns);
}

uint64_t moment__resolve(const struct moment *moment, uint64_t start_ns,
			 const struct anchor *anchor)
{
	if (moment->by_wall_clock)
		return shift(moment->ns, anchor->realtime_ns, anchor->monotonic_ns);
	return start_ns + min(moment->ns, UINT64_MAX - start_ns);
}

/* ".25" behind the seconds; *text goes behind it. */
static uint64_t parse_fraction_ns(const char **text)
{
	uint64_t ns = 0, unit = NSEC_PER_SEC / 10;

	if (**text != '.')
		return 0;
	for (++*text; isdigit((unsigned char)**text); ++*text) {
		ns += (uint64_t)(**text - '0') * unit;
		unit /= 10;
	}
	return ns;
}

/* "Z", "+01:00", "+0100" or nothing (local time) at the end of a time of day. */
static int apply_zone(const char *text, struct tm *tm, time_t *seconds)
{
	struct tm zone = { 0 };

	if (!*text) {
		tm->tm_isdst = -1;
		*seconds = mktime(tm);
		return *seconds == -1 ? -EINVAL : 0;
	}
	text = strptime(text, "%z", &zone);
	if (!text || *text)
		return -EINVAL;
	*seconds = timegm(tm) - zone.tm_gmtoff;
	return 0;
}

static int parse_wall_clock(const char *text, uint64_t *ns)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%d", &tm);
	uint64_t fraction_ns;
	time_t seconds;

	if (!rest || (*rest != 'T' && *rest != ' '))
		return -EINVAL;
	rest = strptime(rest + 1, "%H:%M:%S", &tm);
	if (!rest)
		return -EINVAL;
	fraction_ns = parse_fraction_ns(&rest);
	if (apply_zone(rest, &tm, &seconds) || seconds < 0 ||
	    (uint64_t)seconds > UINT64_MAX / NSEC_PER_SEC - 1)
		return -EINVAL;
	*ns = (uint64_t)seconds * NSEC_PER_SEC + fraction_ns;
	return 0;
}

int moment__parse(const char *text, struct moment *moment)
{
	*moment = (struct moment){ .given = true };
	if (!parse__duration_ns(text, &moment->ns))
		return 0;
	moment->by_wall_clock = true;
	return parse_wall_clock(text, &moment->ns);
}

// SPDX-License-Identifier: BSD-2-Clause
#include "config.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "chance.h"
#include "os.h"
#include "recorder.h"
#include "ring_abi.h"

#define DEFAULT_MEMORY	(2u << 20)
#define DEFAULT_WAIT_MS 1000u
#define MAX_WAIT_MS	60000u

static bool copy(char *to, size_t size, const char *value)
{
	size_t len = strlen(value);

	if (len >= size)
		return false;
	memcpy(to, value, len + 1);
	return true;
}

static bool set_file(struct config *config, const char *value)
{
	return copy(config->file, sizeof(config->file), value);
}

static bool set_server(struct config *config, const char *value)
{
	const char *colon = strrchr(value, ':');

	return colon && colon != value && colon[1] &&
	       copy(config->server, sizeof(config->server), value);
}

#if RECORDER_MAY_SHARE
static bool set_ring(struct config *config, const char *value)
{
	return copy(config->ring, sizeof(config->ring), value);
}
#endif

static bool set_unwind(struct config *config, const char *value)
{
	return copy(config->unwind, sizeof(config->unwind), value);
}

/* libdumpalloc's, whose mere presence counts. */
static bool set_scan(struct config *config, const char *value)
{
#ifdef __mips__
	return config->unwind[0] || copy(config->unwind, sizeof(config->unwind), "mips");
#else
	return true;
#endif
}

/* Digits, and after them nothing or one of K, M, G. */
static bool parse_number(const char *value, uint64_t *number)
{
	unsigned shift = 0;
	const char *at = value;

	for (*number = 0; *at >= '0' && *at <= '9' && *number < UINT32_MAX; at++)
		*number = *number * 10 + (uint64_t)(*at - '0');
	if (at == value)
		return false;
	switch (*at) {
	case 'G':
		shift += 10; /* fall through */
	case 'M':
		shift += 10; /* fall through */
	case 'K':
		shift += 10;
		at++;
	}
	*number <<= shift;
	return !*at;
}

static bool set_number(uint32_t *to, const char *value, uint32_t least, uint32_t most)
{
	uint64_t number;

	if (!parse_number(value, &number) || number < least || number > most)
		return false;
	*to = (uint32_t)number;
	return true;
}

static bool set_memory(struct config *config, const char *value)
{
	return set_number(&config->memory_bytes, value, CONFIG_MIN_MEMORY, CONFIG_MAX_MEMORY);
}

static bool set_sample(struct config *config, const char *value)
{
	return set_number(&config->sample_bytes, value, 0, CHANCE_MAX_BYTES);
}

static bool set_seed(struct config *config, const char *value)
{
	return parse_number(value, &config->seed);
}

static bool set_wait(struct config *config, const char *value)
{
	return set_number(&config->wait_ms, value, 0, MAX_WAIT_MS);
}

static bool set_fail(struct config *config, const char *value)
{
	return fail_rules__parse(&config->fail, value);
}

/* Relative to where the program began: it may go elsewhere. */
static bool set_absolute(char *to, const char *value)
{
	size_t len = 0;

	if (*value != '/' && getcwd(to, CONFIG_MAX_PATH - 1)) {
		len = strlen(to);
		to[len++] = '/';
	}
	if (copy(to + len, CONFIG_MAX_PATH - len, value))
		return true;
	to[0] = '\0';
	return false;
}

static bool set_fail_known(struct config *config, const char *value)
{
	return set_absolute(config->fail_known, value);
}

static bool set_fail_log(struct config *config, const char *value)
{
	return set_absolute(config->fail_log, value);
}

static bool set_snapshot(struct config *config, const char *value)
{
	return set_absolute(config->snapshot, value);
}

/* A name, with or without SIG, of those that programs leave alone; a number; or none. */
static bool set_snapshot_signal(struct config *config, const char *value)
{
	static const struct {
		const char *name;
		int signal;
	} names[] = { { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 },	  { "HUP", SIGHUP },
		      { "PWR", SIGPWR },   { "WINCH", SIGWINCH }, { "none", 0 } };
	uint32_t number;

	if (!strncmp(value, "SIG", 3))
		value += 3;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i].name))
			continue;
		config->snapshot_signal = names[i].signal;
		return true;
	}
	if (!set_number(&number, value, 1, 64) || number == SIGKILL || number == SIGSTOP)
		return false;
	config->snapshot_signal = (int)number;
	return true;
}

/* mallocfail's variables, each of which asks for what mallocfail does. */
static bool mallocfail(struct config *config)
{
	return config->fail.given || fail_rules__parse(&config->fail, "path");
}

static bool set_mallocfail_file(struct config *config, const char *value)
{
	return mallocfail(config) &&
	       set_absolute(config->fail_known, *value ? value : "mallocfail_hashes");
}

static bool use_mallocfail_file(struct config *config)
{
	return mallocfail(config) &&
	       (config->fail_known[0] || set_absolute(config->fail_known, "mallocfail_hashes"));
}

static bool set_mallocfail_debug(struct config *config, const char *value)
{
	config->fail_debug = true;
	return use_mallocfail_file(config);
}

/* Nothing, 0, what is negative or no number: no limit. */
static bool set_mallocfail_count(struct config *config, const char *value)
{
	bool good = use_mallocfail_file(config);

	while (*value == ' ' || *value == '+')
		value++;
	for (; *value >= '0' && *value <= '9' && config->fail.count < UINT32_MAX / 16; value++)
		config->fail.count = config->fail.count * 10 + (uint32_t)(*value - '0');
	return good;
}

static bool set_mallocfail_ignore(struct config *config, const char *value)
{
	return use_mallocfail_file(config) &&
	       copy(config->fail_ignore, sizeof(config->fail_ignore), value);
}

static bool set_help(struct config *config, const char *value)
{
	config->help = *value && strcmp(value, "0");
	return true;
}

/* Of two that set the same the first counts. */
static const struct variable {
	const char *texts; /* name, alias, value, help, one behind the other; "": there is none */
	bool (*set)(struct config *config, const char *value);
} variables[] = {
#define TEXTS(name, alias, value, help) name "\0" alias "\0" value "\0" help
	{ TEXTS("HEAPTAP_SERVER", "DUMPALLOC_SERVER", "HOST:PORT",
		"send the recording to `heaptap receive` there"),
	  set_server },
	{ TEXTS("HEAPTAP_FILE", "DUMPALLOC_FILE", "PATH",
		"a file for the recording; %p is the pid; children have PATH.PID"),
	  set_file },
#if RECORDER_MAY_SHARE
	{ TEXTS(RING_VARIABLE, "", "NAME/TOKEN",
		"set by `heaptap record --engine preload`, which reads what is recorded"),
	  set_ring },
#endif
	{ TEXTS("HEAPTAP_MEMORY", "", "BYTES",
		"memory the library may take, " CONFIG_MIN_TEXT " to 1G; K, M, G may follow (2M)"),
	  set_memory },
	{ TEXTS("HEAPTAP_WAIT", "", "MS",
		"how long a thread waits for room before events are dropped (1000)"),
	  set_wait },
	{ TEXTS("HEAPTAP_SAMPLE", "", "BYTES",
		"record about one allocation for each so many bytes, up to 1G; 0: all (0)"),
	  set_sample },
	{ TEXTS("HEAPTAP_SEED", "", "NUMBER", "choose the same sample each time; 0: another (0)"),
	  set_seed },
	{ TEXTS("HEAPTAP_UNWIND", "", "NAME",
		"how stacks are walked: auto, none, eh, fp, mips (auto)"),
	  set_unwind },
	{ TEXTS("", "DUMPALLOC_WALK_STACK", "", "the same as HEAPTAP_UNWIND=mips, on MIPS"),
	  set_scan },
	{ TEXTS("HEAPTAP_FAIL", "", "RULES",
		"make allocations fail: "
		"path,nth=N,rate=N%,seed=N,size>BYTES,module=FILE,function=NAME,count=N,"
		"persistent"),
	  set_fail },
	{ TEXTS("HEAPTAP_FAIL_KNOWN", "", "PATH",
		"a file of call paths that have failed, and do not again"),
	  set_fail_known },
	{ TEXTS("HEAPTAP_FAIL_LOG", "", "PATH", "a file for a line of JSON a failure"),
	  set_fail_log },
	{ TEXTS("", "MALLOCFAIL_FILE", "",
		"as HEAPTAP_FAIL=path HEAPTAP_FAIL_KNOWN=PATH (mallocfail_hashes)"),
	  set_mallocfail_file },
	{ TEXTS("", "MALLOCFAIL_DEBUG", "", "being set: the stack of each failure on stderr"),
	  set_mallocfail_debug },
	{ TEXTS("", "MALLOCFAIL_FAIL_COUNT", "", "how many allocations fail at most"),
	  set_mallocfail_count },
	{ TEXTS("", "MALLOCFAIL_IGNORE", "",
		"parts of names of files and functions that are spared, with ; between them"),
	  set_mallocfail_ignore },
	{ TEXTS("HEAPTAP_SNAPSHOT", "", "PATH",
		"instead of a recording, what is live: on a signal, at the end, when an allocation "
		"fails"),
	  set_snapshot },
	{ TEXTS("HEAPTAP_SNAPSHOT_SIGNAL", "", "NAME",
		"the signal, unless the program uses it (USR2)"),
	  set_snapshot_signal },
	{ TEXTS("HEAPTAP_HELP", "", "1", "this list on stderr"), set_help },
#undef TEXTS
};

#define NR_VARIABLES (sizeof(variables) / sizeof(variables[0]))

enum { NAME, ALIAS, VALUE, HELP };

static const char *text_of(const struct variable *variable, unsigned which)
{
	return os__nth(variable->texts, which);
}

char *const *config__find(char *const *environment, const char *name)
{
	size_t len = strlen(name);

	for (; environment && *environment; environment++)
		if (!strncmp(*environment, name, len) && (*environment)[len] == '=')
			return environment;
	return NULL;
}

static const char *value_of(char *const *environment, const char *name)
{
	char *const *found = *name ? config__find(environment, name) : NULL;

	return found ? *found + strlen(name) + 1 : NULL;
}

void config__read(struct config *config, char *const *environment)
{
	memset(config, 0, sizeof(*config));
	config->memory_bytes = DEFAULT_MEMORY;
	config->wait_ms = DEFAULT_WAIT_MS;
	config->snapshot_signal = SIGUSR2;
	for (size_t i = 0; i < NR_VARIABLES; i++) {
		const struct variable *variable = &variables[i];
		const char *name = text_of(variable, NAME), *value = value_of(environment, name);

		if (!value || !*value) {
			name = text_of(variable, ALIAS);
			value = value_of(environment, name);
		}
		/* Set to nothing is not set, but for what counts by being there. */
		if (value && (*value || !*text_of(variable, VALUE)) &&
		    !variable->set(config, value))
			config->bad = name;
	}
}

bool config__expand(char *to, uint32_t size, const char *path, uint32_t pid)
{
	char digits[24];
	size_t nr_digits = (size_t)(os__decimal(digits, pid) - digits);
	size_t used = 0;

	for (; *path; path++) {
		const char *piece = path;
		size_t len = 1;

		if (path[0] == '%' && (path[1] == 'p' || path[1] == '%')) {
			path++;
			piece = *path == 'p' ? digits : path;
			len = *path == 'p' ? nr_digits : 1;
		}
		if (used + len >= size)
			return false;
		memcpy(to + used, piece, len);
		used += len;
	}
	to[used] = '\0';
	return true;
}

static void write_text(const char *text)
{
	ssize_t done = write(STDERR_FILENO, text, strlen(text));

	(void)done; /* to whom would one say so? */
}

void config__help(void)
{
	for (size_t i = 0; i < NR_VARIABLES; i++) {
		const struct variable *variable = &variables[i];

		const char *name = text_of(variable, NAME), *alias = text_of(variable, ALIAS);

		write_text(*name ? name : alias);
		write_text("=");
		write_text(text_of(variable, VALUE));
		write_text("\n\t");
		write_text(text_of(variable, HELP));
		if (*name && *alias) {
			write_text("; also ");
			write_text(alias);
		}
		write_text("\n");
	}
}

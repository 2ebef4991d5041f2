/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Part of every program of SAN=1. What a sanitizer says is lost where it matters most: a
 * process of the gate may write to no file, a test may throw its output away, and another
 * expects it to fail. So it is said in memory as well, which all of them share from their start
 * and no filter takes away; the tests look there (tests/e2e/harness.py, scripts/run-tests).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE (1 << 20)

/* `used` goes on counting when there is no room for the text. */
static struct reports {
	_Atomic uint32_t used;
	char text[SIZE - sizeof(uint32_t)];
} *reports;

/* What the runtimes call and have; gcc's headers do not have all of it, clang-tidy has none of
 * them. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
void __asan_set_error_report_callback(void (*fn)(const char *));
void __sanitizer_set_death_callback(void (*fn)(void));
void __asan_handle_no_return(void);
void __ubsan_handle_add_overflow(void *data, void *left, void *right);
void __ubsan_on_report(void);
void __ubsan_get_current_report_data(const char **kind, const char **message, const char **file,
				     unsigned int *line, unsigned int *column, char **address);

const char *__asan_default_options(void)
{
	/* A status that nothing else ends with. */
	return "exitcode=86:check_initialization_order=1";
}

const char *__ubsan_default_options(void)
{
	return "exitcode=86:print_stacktrace=1:silence_unsigned_overflow=1";
}

static void say(const char *text)
{
	const size_t len = strlen(text);
	uint32_t at;

	if (!reports)
		return;
	at = atomic_fetch_add(&reports->used, (uint32_t)len);
	if (at + len <= sizeof(reports->text))
		memcpy(reports->text + at, text, len);
}

void __ubsan_on_report(void)
{
	const char *kind = "", *message = "", *file = "";
	unsigned int line = 0, column = 0;
	char *address = NULL;
	static char text[1024];

	__ubsan_get_current_report_data(&kind, &message, &file, &line, &column, &address);
	snprintf(text, sizeof(text), "%s:%u: runtime error: %s (%s)\n", file, line, message, kind);
	say(text);
}

/*
 * Called before what does not return, as _exit(): it asks for the signal stack, and takes a
 * filter's refusal for an error of its own. Behind a filter nothing jumps: there it is not needed.
 */
void __asan_handle_no_return(void)
{
	static void (*real)(void);
	stack_t stack;

	if (!real)
		real = (void (*)(void))dlsym(RTLD_NEXT, "__asan_handle_no_return");
	if (real && sigaltstack(NULL, &stack) == 0)
		real();
}

/* Leaks, and what cannot be put into words without memory, are told in no other way. */
static void died(void)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s ended by a sanitizer\n", program_invocation_short_name);
	say(text);
}

/* The search for leaks traces its own process, which who changed his user may not. */
static void allow_search(void)
{
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void share(void)
{
	int fd = open(RUNAWAY_SAN_REPORTS, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
	void *p = MAP_FAILED;

	if (fd < 0)
		return;
	/* Whoever comes first makes it; others may not, and need not. */
	(void)!fchmod(fd, 0666);
	if (ftruncate(fd, SIZE) == 0)
		p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	reports = p == MAP_FAILED ? NULL : p;
	close(fd);
}

/*
 * The other runtime reads its options at its first finding, which behind a filter it survives
 * neither with a word nor with a status. One that it is told to be silent about makes it do so now.
 */
static void wake_ubsan(void)
{
	static const struct {
		uint16_t kind, info;
		char name[16];
	} type = { 0, 5 << 1, "'unsigned int'" };
	static struct {
		const char *file;
		uint32_t line, column;
		const void *type;
	} where = { __FILE__, __LINE__, 1, &type };
	void *ubsan = dlopen("libubsan.so.1", RTLD_NOW | RTLD_NOLOAD);
	void (*set)(void (*)(void)) = NULL;

	if (ubsan)
		set = (void (*)(void (*)(void)))dlsym(ubsan, "__sanitizer_set_death_callback");
	if (set)
		set(died);
	__ubsan_handle_add_overflow(&where, NULL, NULL);
}

__attribute__((constructor)) static void begin(void)
{
	share();
	__asan_handle_no_return(); /* the address is looked up before any filter is there */
	wake_ubsan();
	__asan_set_error_report_callback(say);
	__sanitizer_set_death_callback(died);
	(void)atexit(allow_search);
}

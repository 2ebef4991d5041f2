/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TESTS_FUZZ_H
#define RUNAWAY_TESTS_FUZZ_H

/*
 * A target takes any bytes and must come back; a sanitizer watches. `make fuzz` runs it
 * with libFuzzer, which looks for new ways through it; driver.c with bytes that are the same
 * each time, which `make check` does.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/macros.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* How many damaged files driver.c makes. */
extern size_t fuzz_rounds;

/* What must hold for all bytes. */
#define MUST(what)                                                                                 \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);         \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* A copy of exactly these bytes, so that reading past them is seen. */
static inline char *fuzz_copy(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1);

	MUST(copy);
	if (size)
		memcpy(copy, data, size);
	return copy;
}

/* The bytes up to the first 0xff, or all; *data and *size go behind it. */
static inline char *fuzz_part(const uint8_t **data, size_t *size, size_t *ret_len)
{
	const uint8_t *end = *size ? memchr(*data, 0xff, *size) : NULL;
	size_t len = end ? (size_t)(end - *data) : *size;
	char *part = fuzz_copy(*data, len);

	*ret_len = len;
	*data += end ? len + 1 : len;
	*size -= end ? len + 1 : len;
	return part;
}

static inline void fuzz_write(int folder, const char *name, const void *data, size_t len)
{
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	MUST(fd >= 0);
	MUST(runaway_write_all(fd, data, len) == 0);
	close(fd);
}

/* A folder of this process's own; removed by nobody but the caller. */
static inline int fuzz_folder(char path[static 32])
{
	strcpy(path, "/tmp/rw-fuzz-XXXXXX");
	MUST(mkdtemp(path));
	runaway_log_set_level(RUNAWAY_LOG_ERROR);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

#endif

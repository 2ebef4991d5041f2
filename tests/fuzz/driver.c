/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * driver FOLDER [ROUNDS]: each file of the folder, and damaged ones made of them, the same in
 * every run, through one target.
 */
#include "fuzz/fuzz.h"

#include <dirent.h>

#define SEEDS_MAX 64
#define ROOM	  (64 * 1024)

static struct seed {
	char *data;
	size_t len;
} seed[SEEDS_MAX];
static size_t seeds;
/* Of most of them; some are slow. */
__attribute__((weak)) size_t fuzz_rounds = 1000;
static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

static size_t below(size_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return n ? state % n : 0;
}

static void load(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *e;

	MUST(dir);
	while ((e = readdir(dir)) && seeds < SEEDS_MAX) {
		struct strbuf b = STRBUF_INIT;

		if (e->d_name[0] == '.')
			continue;
		MUST(runaway_read_file(dirfd(dir), e->d_name, ROOM, &b) == 0);
		seed[seeds++] = (struct seed){ b.data, b.len };
	}
	closedir(dir);
}

/* What parsers stumble over. */
static size_t put_word(char *to, size_t len)
{
	static const char *const words[] = {
		"18446744073709551615",
		"-1",
		"1e999",
		"\\u0000",
		"\\ud800",
		"[[[[[[[[",
		"{\"",
		"\"",
		"null",
		"\n",
		"\xff\xff\xff\xff",
		"4294967296",
		"0.0000001",
		"%s%n",
		"//",
		"/*",
		",",
		"9999-12-31T23:59:59.999Z",
	};
	const char *w = words[below(ARRAY_SIZE(words))];
	size_t n = strlen(w), at = below(len + 1);

	if (len + n > ROOM)
		return len;
	memmove(to + at + n, to + at, len - at);
	memcpy(to + at, w, n);
	return len + n;
}

static size_t cut_out(char *to, size_t len)
{
	size_t at = below(len + 1), n = below(MIN(len - at, (size_t)200) + 1);

	memmove(to + at, to + at + n, len - at - n);
	return len - n;
}

static size_t insert_other(char *to, size_t len)
{
	const struct seed *s = &seed[below(seeds)];
	size_t from = below(s->len + 1), n = below(MIN(s->len - from, (size_t)2000) + 1),
	       at = below(len + 1);

	if (len + n > ROOM)
		return len;
	memmove(to + at + n, to + at, len - at);
	if (n)
		memcpy(to + at, s->data + from, n);
	return len + n;
}

static size_t flip(char *to, size_t len)
{
	if (len)
		to[below(len)] ^= (char)(1 << below(8));
	return len;
}

static size_t set_byte(char *to, size_t len)
{
	if (len)
		to[below(len)] = (char)below(256);
	return len;
}

static size_t damage(char *to, size_t len)
{
	static size_t (*const way[])(char *, size_t) = { flip,	   set_byte, put_word,
							 put_word, cut_out,  insert_other };

	for (size_t n = 1 + below(5); n; n--)
		len = way[below(ARRAY_SIZE(way))](to, len);
	return len;
}

int main(int argc, char **argv)
{
	static char work[ROOM];
	const char *text = getenv("RUNAWAY_FUZZ_ROUNDS");
	size_t rounds = text ? strtoul(text, NULL, 10) : fuzz_rounds;

	MUST(argc == 2);
	puts("1..1");
	load(argv[1]);
	MUST(seeds > 0);
	for (size_t n = 0; n < seeds; n++)
		LLVMFuzzerTestOneInput((const uint8_t *)seed[n].data, seed[n].len);
	for (size_t n = 0; n < rounds; n++) {
		const struct seed *s = &seed[below(seeds)];
		size_t len = s->len;

		if (len)
			memcpy(work, s->data, len);
		len = damage(work, len);
		LLVMFuzzerTestOneInput((const uint8_t *)work, len);
	}
	printf("ok %zu files and %zu made of them\n", seeds, rounds);
	for (size_t n = 0; n < seeds; n++)
		free(seed[n].data);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TIDY_UTHASH_H
#define RUNAWAY_TIDY_UTHASH_H

/*
 * What scripts/check-tidy reads instead of <uthash.h>; nothing is compiled with it. The
 * analyzer follows each macro as if it were our code: in the hash function of one HASH_FIND
 * it spends all the states that it has for a function, and seconds. Here a lookup is a call
 * that may find something or nothing, and the states are left for what our code does with it.
 * What callers rely on is as in uthash: members, order of iteration, hh.tbl NULL when the
 * memory for an addition is refused (HASH_NONFATAL_OOM).
 */

#include <stddef.h>
#include <string.h>

typedef struct UT_hash_bucket {
	struct UT_hash_handle *hh_head;
	unsigned int count;
} UT_hash_bucket;

typedef struct UT_hash_table {
	UT_hash_bucket *buckets;
	unsigned int num_buckets, num_items;
	struct UT_hash_handle *tail;
	ptrdiff_t hho;
} UT_hash_table;

typedef struct UT_hash_handle {
	UT_hash_table *tbl;
	void *prev, *next;
	const void *key;
	unsigned int keylen, hashv;
} UT_hash_handle;

void *ut_found(const void *head, ptrdiff_t hh, const void *key, size_t len);
UT_hash_table *ut_table(const void *head); /* NULL: out of memory */
void *ut_last(const void *head, ptrdiff_t hh);
void *ut_without(const void *head, const void *gone);
void *ut_sorted(const void *head, ptrdiff_t hh);

#define UT_OFFSET(hh, head) ((ptrdiff_t)((char *)&(head)->hh - (char *)(head)))

#define HASH_FIND(hh, head, keyptr, keylen_, out)                                                  \
	((out) = (head) ? ut_found((head), UT_OFFSET(hh, head), (keyptr), (keylen_)) : NULL)
#define HASH_FIND_STR(head, str, out) HASH_FIND(hh, head, str, strlen(str), out)

#define HASH_ADD_KEYPTR(hh, head, keyptr, keylen_, add)                                            \
	do {                                                                                       \
		(add)->hh.key = (keyptr);                                                          \
		(add)->hh.keylen = (unsigned int)(keylen_);                                        \
		(add)->hh.tbl = ut_table(head);                                                    \
		if ((add)->hh.tbl) {                                                               \
			(add)->hh.next = NULL;                                                     \
			(add)->hh.prev = NULL;                                                     \
			if (head)                                                                  \
				(add)->hh.prev = ut_last((head), UT_OFFSET(hh, head));             \
			else                                                                       \
				(head) = (add);                                                    \
		}                                                                                  \
	} while (0)
#define HASH_ADD(hh, head, field, keylen_, add)                                                    \
	HASH_ADD_KEYPTR(hh, head, &((add)->field), keylen_, add)
#define HASH_ADD_STR(head, field, add)                                                             \
	HASH_ADD_KEYPTR(hh, head, (add)->field, strlen((add)->field), add)

#define HASH_DELETE(hh, head, del) ((head) = ut_without((head), &(del)->hh))
#define HASH_DEL(head, del)	   HASH_DELETE(hh, head, del)
#define HASH_CLEAR(hh, head)	   ((head) = NULL)
#define HASH_SRT(hh, head, cmp)                                                                    \
	do {                                                                                       \
		(void)(cmp);                                                                       \
		if (head)                                                                          \
			(head) = ut_sorted((head), UT_OFFSET(hh, head));                           \
	} while (0)
#define HASH_SORT(head, cmp) HASH_SRT(hh, head, cmp)

#define HASH_CNT(hh, head) ((head) ? (head)->hh.tbl->num_items : 0U)
#define HASH_COUNT(head)   HASH_CNT(hh, head)
#define HASH_ITER(hh, head, el, tmp)                                                               \
	for ((el) = (head), (tmp) = (__typeof(el))((head) ? (head)->hh.next : NULL); (el);         \
	     (el) = (tmp), (tmp) = (__typeof(el))((tmp) ? (tmp)->hh.next : NULL))

#endif

/* Walks over drained records, for batches: see the last part of driver.h. Part of the driver; nothing here asks the kernel. */
#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#pragma GCC visibility push(default)
#include "driver.h"
#pragma GCC visibility pop

enum { HEAD = 8 }; /* before each record: its length and zeroes */

static uint32_t u32_at(const char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* Of the record at that place; behind it is the weight. */
static uint32_t id_of(const char *record)
{
	uint16_t id;

	memcpy(&id, record, sizeof(id));
	return id;
}

static size_t step_of(uint32_t length)
{
	return HEAD + (((size_t)length + 7) & ~(size_t)7);
}

long er_scan(const void *data, size_t length, uint64_t most, const uint32_t *sizes, uint32_t events, uint64_t *counts)
{
	const char *start = data, *at = start, *end = start + length;

	for (; at < end && most; most--) {
		uint32_t size, id;

		if ((size_t)(end - at) < HEAD + sizeof(id))
			return -EBADMSG;
		size = u32_at(at);
		id = id_of(at + HEAD);
		if (id >= events || size < sizes[2 * id] || size > sizes[2 * id + 1] || step_of(size) > (size_t)(end - at))
			return -EBADMSG;
		counts[id]++;
		at += step_of(size);
	}
	return at - start;
}

void er_gather(const void *data, size_t length, uint32_t id, uint32_t stride, void *out)
{
	const char *at = data, *end = at + length;
	char *to = out;

	for (; at < end; at += step_of(u32_at(at))) {
		uint32_t size = u32_at(at), used = size < stride ? size : stride;

		if (id_of(at + HEAD) != id)
			continue;
		memcpy(to, at + HEAD, used);
		memset(to + used, 0, stride - used);
		to += stride;
	}
}

void er_texts(const void *data, size_t length, uint32_t id, uint32_t offset, uint32_t size, void *out)
{
	const char *at = data, *end = at + length;
	char *to = out;

	for (; at < end; at += step_of(u32_at(at))) {
		uint32_t there = u32_at(at);
		size_t used;

		if (id_of(at + HEAD) != id)
			continue;
		there = there < offset ? 0 : there - offset;
		used = strnlen(at + HEAD + offset, there < size ? there : size);
		memcpy(to, at + HEAD + offset, used);
		memset(to + used, 0, size - used);
		to += size;
	}
}

void er_tidy(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

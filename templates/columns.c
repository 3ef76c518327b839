/* Columns of drained records that numpy can't make: distinct values, texts and lists of texts as Arrow has them. Part of the
 * driver, beside records.c; nothing here asks the kernel. */
#include <errno.h>
#include <stdlib.h>

#include "values.h"

#pragma GCC visibility push(default)
#include "driver.h"
#pragma GCC visibility pop

enum { HEAD = 8 }; /* before each record: its length and zeroes */

/* The records of one event, one after the other. */
struct walk {
	const char *at, *end;
	uint32_t id;
	uint32_t length; /* of the record */
};

static const char *next_record(struct walk *walk)
{
	while (walk->at < walk->end) {
		const char *record = walk->at + HEAD;
		uint16_t id;

		memcpy(&walk->length, walk->at, sizeof(walk->length));
		memcpy(&id, record, sizeof(id));
		walk->at = record + (((size_t)walk->length + 7) & ~(size_t)7);
		if (id == walk->id)
			return record;
	}
	return NULL;
}

/* Bytes of a field that are in the record: a last one may be cut to what it holds. */
static uint32_t there(const struct walk *walk, uint32_t offset, uint32_t size)
{
	uint32_t left = walk->length < offset ? 0 : walk->length - offset;

	return left < size ? left : size;
}

/* --- distinct values ------------------------------------------------------------------------------------------------- */

struct seen {
	const char *key;
	uint32_t length;
	uint64_t hash;
};

struct table {
	struct seen *seen;
	int32_t *slots; /* an index into seen, or -1; fewer than half are taken */
	uint32_t count, room;
};

static int grow(struct table *table)
{
	uint32_t room = table->room ? 4 * table->room : 256;
	struct seen *seen = realloc(table->seen, room / 2 * sizeof(*seen));
	int32_t *slots;

	if (!seen)
		return -ENOMEM;
	table->seen = seen;
	slots = malloc(room * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots, 0xff, room * sizeof(*slots));
	for (uint32_t i = 0; i < table->count; i++) {
		size_t at = seen[i].hash >> 8;

		while (slots[at & (room - 1)] >= 0)
			at++;
		slots[at & (room - 1)] = i;
	}
	free(table->slots);
	table->slots = slots;
	table->room = room;
	return 0;
}

static int same(const struct seen *seen, const char *key, uint32_t length)
{
	return seen->length == length && !memcmp(seen->key, key, length);
}

/* The number of this key, a new one where it has none yet. */
static int32_t number_of(struct table *table, const char *key, uint32_t length)
{
	uint64_t hash = hash_of(key, length);
	size_t at = hash >> 8;
	int32_t found;

	if (2 * (table->count + 1) > table->room && grow(table))
		return -ENOMEM;
	while ((found = table->slots[at & (table->room - 1)]) >= 0) {
		if (table->seen[found].hash == hash && same(&table->seen[found], key, length))
			return found;
		at++;
	}
	table->slots[at & (table->room - 1)] = table->count;
	table->seen[table->count] = (struct seen){key, length, hash};
	return table->count++;
}

long er_distinct(const void *data, size_t length, uint32_t id, uint32_t offset, uint32_t size, int text, int32_t *numbers, uint32_t *firsts)
{
	struct walk walk = {.at = data, .end = (const char *)data + length, .id = id};
	struct table table = {0};
	const char *record;
	uint32_t row = 0;
	int32_t last = -1;

	for (; (record = next_record(&walk)); row++) {
		const char *key = record + offset;
		uint32_t used = there(&walk, offset, size), known = table.count;

		if (text)
			used = strnlen(key, used);
		if (last < 0 || !same(&table.seen[last], key, used))
			last = number_of(&table, key, used);
		if (last < 0)
			break;
		if (table.count > known)
			firsts[known] = row;
		numbers[row] = last;
	}
	free(table.seen);
	free(table.slots);
	return last == -ENOMEM ? -ENOMEM : (long)table.count;
}

/* --- texts ----------------------------------------------------------------------------------------------------------- */

enum { WORST = 4, SLACK = 8 }; /* a byte that is not UTF-8 takes 4; copies go 8 bytes at a time */

long er_utf8(const void *data, size_t length, uint32_t id, uint32_t offset, uint32_t size, int32_t *offsets, char *out, size_t cap)
{
	struct walk walk = {.at = data, .end = (const char *)data + length, .id = id};
	const char *record;
	char *to = out;

	*offsets++ = 0;
	while ((record = next_record(&walk))) {
		uint32_t used = strnlen(record + offset, there(&walk, offset, size));

		if (cap - (to - out) < (size_t)WORST * used + SLACK)
			return -EMSGSIZE;
		to = put_raw_text(to, record + offset, used);
		*offsets++ = to - out;
	}
	return to - out;
}

long er_words(const void *data, size_t length, uint32_t id, uint32_t offset, uint32_t size, int32_t *lists, int32_t *offsets,
	      size_t most, char *out, size_t cap)
{
	struct walk walk = {.at = data, .end = (const char *)data + length, .id = id};
	const char *record;
	char *to = out;
	size_t words = 0;

	*lists++ = 0;
	offsets[0] = 0;
	while ((record = next_record(&walk))) {
		const char *at = record + offset + 4, *end;
		uint32_t used = 0, room = there(&walk, offset, size);

		if (room >= 4)
			memcpy(&used, record + offset, sizeof(used));
		if (room >= 4 && used > room - 4)
			used = room - 4;
		if (cap - (to - out) < (size_t)WORST * used + SLACK || most - words <= used)
			return -EMSGSIZE;
		for (end = at + used; at < end; at++) {
			size_t word = strnlen(at, end - at);

			to = put_raw_text(to, at, word);
			offsets[++words] = to - out;
			at += word;
		}
		*lists++ = words;
	}
	return to - out;
}

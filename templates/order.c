/* Records in the order of their times, within a window: see the last part of driver.h. Part of the driver. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC visibility push(default)
#include "driver.h"
#pragma GCC visibility pop

enum { HEAD = 8 }; /* before each record: its length and zeroes */

struct waiting {
	uint64_t time, number; /* number: of records of one time the first goes first */
	size_t at, size;
};

struct er_order {
	uint32_t events;
	uint32_t *times; /* by event: where its time is, 0 without one */
	uint64_t *late;
	char *data, *other;
	size_t used, room;
	struct waiting *waiting;
	size_t count, count_room;
	uint64_t numbers, last_put, last_taken;
};

er_order *er_order_open(const uint32_t *times, uint32_t events)
{
	er_order *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->events = events;
	o->times = malloc((events + 1) * sizeof(*o->times));
	o->late = calloc(events + 1, sizeof(*o->late));
	if (!o->times || !o->late) {
		er_order_close(o);
		return NULL;
	}
	memcpy(o->times, times, events * sizeof(*times));
	return o;
}

void er_order_close(er_order *o)
{
	free(o->times);
	free(o->late);
	free(o->data);
	free(o->other);
	free(o->waiting);
	free(o);
}

static int make_room(er_order *o, size_t more)
{
	size_t room = o->room ? o->room : 1 << 16, count_room = o->count_room ? o->count_room : 1 << 10;

	while (room < o->used + more)
		room *= 2;
	if (room != o->room) {
		char *data = realloc(o->data, room), *other = data ? realloc(o->other, room) : NULL;

		o->data = data ? data : o->data;
		if (!other)
			return -ENOMEM;
		o->other = other;
		o->room = room;
	}
	while (count_room < o->count + more / (2 * HEAD))
		count_room *= 2;
	if (count_room != o->count_room) {
		struct waiting *waiting = realloc(o->waiting, count_room * sizeof(*waiting));

		if (!waiting)
			return -ENOMEM;
		o->waiting = waiting;
		o->count_room = count_room;
	}
	return 0;
}

int er_order_put(er_order *o, const void *data, size_t length)
{
	const char *from = data;
	size_t at = 0;
	int error = make_room(o, length);

	if (error)
		return error;
	while (length - at >= 2 * HEAD) {
		const char *record = from + at + HEAD;
		uint32_t size, step;
		uint16_t id;
		uint64_t time = o->last_put; /* of a record without a time: it keeps its place */

		memcpy(&size, from + at, sizeof(size));
		memcpy(&id, record, sizeof(id));
		step = HEAD + ((size + 7) & ~7u);
		if (id >= o->events || size > length || step > length - at || size < HEAD)
			return -EBADMSG;
		if (o->times[id] && o->times[id] + sizeof(time) <= size)
			memcpy(&time, record + o->times[id], sizeof(time));
		if (time < o->last_taken)
			o->late[id]++;
		o->last_put = time;
		o->waiting[o->count++] = (struct waiting){time, o->numbers++, o->used, step};
		memcpy(o->data + o->used, from + at, step);
		o->used += step;
		at += step;
	}
	return at == length ? 0 : -EBADMSG;
}

static int earlier(const void *a, const void *b)
{
	const struct waiting *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

long er_order_take(er_order *o, uint64_t until, void *buf, size_t cap)
{
	size_t i, taken = 0, given = 0, used = 0;
	char *other = o->other;

	if (!o->count)
		return 0;
	qsort(o->waiting, o->count, sizeof(*o->waiting), earlier);
	while (taken < o->count && o->waiting[taken].time <= until && given + o->waiting[taken].size <= cap) {
		struct waiting *next = &o->waiting[taken++];

		memcpy((char *)buf + given, o->data + next->at, next->size);
		given += next->size;
		if (next->time > o->last_taken)
			o->last_taken = next->time;
	}
	if (!taken)
		return 0;
	for (i = taken; i < o->count; i++) {
		struct waiting *left = &o->waiting[i];

		memcpy(other + used, o->data + left->at, left->size);
		left->at = used;
		used += left->size;
	}
	memmove(o->waiting, o->waiting + taken, (o->count - taken) * sizeof(*o->waiting));
	o->count -= taken;
	o->other = o->data;
	o->data = other;
	o->used = used;
	return given;
}

uint64_t er_order_first(const er_order *o)
{
	uint64_t first = UINT64_MAX;
	size_t i;

	for (i = 0; i < o->count; i++)
		first = o->waiting[i].time < first ? o->waiting[i].time : first;
	return first;
}

uint64_t er_order_late(const er_order *o, uint32_t event)
{
	return event < o->events ? o->late[event] : 0;
}

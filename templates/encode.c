/* Records become lines of text: JSON Lines, CSV, and text for people. Compiled into every artefact beside driver.c.
 *
 * Knows nothing of a spec: ebpfrun describes events and fields, and gives the names of numbers when they are first met. What
 * it writes is, byte for byte, what ebpfrun's own sinks in Python write; a test holds the two together.
 */
#include <errno.h>
#include <stdlib.h>

#include "values.h"

#pragma GCC visibility push(default)
#include "driver.h"
#pragma GCC visibility pop

enum { HEAD = 8, CUT = 1, UNREADABLE = 2 };

/* --- what is remembered: the texts of keys (numbers as 8 bytes, or any bytes) ------------------------------------------ */

enum { MEMO_LEAST = 64, MEMO_MOST = 4096, MEMO_BYTES = 1 << 20 };

struct remembered {
	uint64_t hash; /* never 0 */
	uint32_t key, key_length, text, text_length; /* places in `bytes` */
};

struct memo {
	struct remembered *slots;
	char *bytes;
	uint32_t slots_room, count; /* less than half of the slots are taken */
	uint32_t used, room, longest;
};

static const struct remembered *find(const struct memo *memo, const char *key, size_t length)
{
	uint64_t hash = hash_of(key, length);

	if (!memo->slots)
		return NULL;
	for (size_t i = hash >> 8;; i++) {
		const struct remembered *r = &memo->slots[i & (memo->slots_room - 1)];

		if (!r->hash)
			return NULL;
		if (r->hash == hash && r->key_length == length && !memcmp(memo->bytes + r->key, key, length))
			return r;
	}
}

static void take_slot(struct remembered *slots, uint32_t room, const struct remembered *r)
{
	size_t i = r->hash >> 8;

	while (slots[i & (room - 1)].hash)
		i++;
	slots[i & (room - 1)] = *r;
}

/* For one more entry of so many bytes; forgets everything where there would be too much. */
static int make_room(struct memo *memo, size_t more)
{
	if (memo->count == MEMO_MOST || (memo->count && memo->used + more > MEMO_BYTES)) {
		memset(memo->slots, 0, memo->slots_room * sizeof(*memo->slots));
		memo->count = memo->used = 0;
	}
	if (memo->used + more > memo->room) {
		size_t room = 2 * (memo->used + more);
		char *bytes = realloc(memo->bytes, room);

		if (!bytes)
			return -ENOMEM;
		memo->bytes = bytes;
		memo->room = room;
	}
	if (2 * (memo->count + 1) > memo->slots_room) {
		uint32_t room = memo->slots_room ? 2 * memo->slots_room : MEMO_LEAST;
		struct remembered *slots = calloc(room, sizeof(*slots));

		if (!slots)
			return -ENOMEM;
		for (uint32_t i = 0; i < memo->slots_room; i++)
			if (memo->slots[i].hash)
				take_slot(slots, room, &memo->slots[i]);
		free(memo->slots);
		memo->slots = slots;
		memo->slots_room = room;
	}
	return 0;
}

static int remember(struct memo *memo, const char *key, size_t key_length, const char *text, size_t length)
{
	size_t more = key_length + length + 16; /* `put` reads behind the text */
	struct remembered r = {.hash = hash_of(key, key_length), .key_length = key_length, .text_length = length};
	int error = make_room(memo, more);

	if (error)
		return error;
	r.key = memo->used;
	r.text = memo->used + key_length;
	take_slot(memo->slots, memo->slots_room, &r);
	memcpy(memo->bytes + r.key, key, key_length);
	memcpy(memo->bytes + r.text, text, length);
	memo->used += more;
	memo->count++;
	memo->longest = length > memo->longest ? length : memo->longest;
	return 0;
}

/* --- what is encoded --------------------------------------------------------------------------------------------------- */

/* A text that is copied in front of a value; `put` may read behind it. */
struct lead {
	char *text;
	size_t length;
};

struct field {
	struct lead lead; /* what stands before the value */
	struct lead name; /* as the lists of marked fields have it */
	enum er_kind kind;
	uint32_t offset, size;
	int mark;
	struct memo memo; /* of names, or of texts that take Python to print */
};

struct event {
	struct lead head, tail;
	uint32_t id, size;
	uint32_t last, least; /* where the last field begins; bytes of a record: it may end within a last field that is text */
	size_t most; /* bytes of a line, without what the memos hold */
	size_t fields_used;
	struct field *fields;
	int marked;  /* some field has a mark */
	int skipped; /* other lines' */
};

struct er_encoder {
	enum er_format format;
	int64_t offset;
	struct second second;
	size_t events_used;
	struct event *events;
	size_t last; /* the event of the last record */
	/* What was met and is not known: the text that `field` of `event` has for this key. */
	struct {
		const struct field *field;
		uint32_t event, number;
		const char *key;
		size_t length;
		char bytes[8];
	} wanted;
};

static int set_lead(struct lead *lead, const char *text)
{
	lead->length = strlen(text);
	lead->text = calloc(1, lead->length + 16);
	if (!lead->text)
		return -ENOMEM;
	memcpy(lead->text, text, lead->length);
	return 0;
}

int er_encoder_new(er_encoder **out, enum er_format format, int64_t offset)
{
	er_encoder *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->format = format;
	e->offset = offset;
	e->second.at = INT64_MIN;
	*out = e;
	return 0;
}

void er_encoder_free(er_encoder *e)
{
	for (size_t i = 0; i < e->events_used; i++) {
		struct event *event = &e->events[i];

		for (size_t j = 0; j < event->fields_used; j++) {
			struct field *f = &event->fields[j];

			free(f->lead.text);
			free(f->name.text);
			free(f->memo.slots);
			free(f->memo.bytes);
		}
		free(event->fields);
		free(event->head.text);
		free(event->tail.text);
	}
	free(e->events);
	free(e);
}

int er_encoder_event(er_encoder *e, uint32_t id, uint32_t size, const char *head, const char *tail)
{
	struct event *events = realloc(e->events, (e->events_used + 1) * sizeof(*events));
	struct event *event;

	if (!events)
		return -ENOMEM;
	e->events = events;
	event = &events[e->events_used++];
	*event = (struct event){.id = id, .size = size, .least = size, .skipped = !head};
	if (!head) {
		event->least = 0;
		return 0;
	}
	if (set_lead(&event->head, head) || set_lead(&event->tail, tail))
		return -ENOMEM;
	event->most = event->head.length + event->tail.length + 128; /* keys of marks, and what `put` writes behind */
	return 0;
}

static int is_loose(enum er_kind kind)
{
	return kind == ER_TEXT || kind == ER_ARGV;
}

int er_encoder_field(er_encoder *e, const char *lead, const char *name, enum er_kind kind, uint32_t offset, uint32_t size, int mark)
{
	struct event *event = &e->events[e->events_used - 1];
	struct field *fields, *f;

	if (offset < sizeof(uint16_t) || size > event->size || offset > event->size - size)
		return -EINVAL;
	fields = realloc(event->fields, (event->fields_used + 1) * sizeof(*fields));
	if (!fields)
		return -ENOMEM;
	event->fields = fields;
	f = &fields[event->fields_used++];
	*f = (struct field){.kind = kind, .offset = offset, .size = size, .mark = mark};
	if (set_lead(&f->lead, lead) || set_lead(&f->name, name))
		return -ENOMEM;
	event->marked |= mark >= 0;
	/* A byte takes 8 at most (\x1b quoted twice; a quote in a word in a CSV cell). */
	event->most += f->lead.length + f->name.length * 2 + 64;
	event->most += is_loose(kind) ? 12 * (size_t)size : 0;
	if (offset >= event->last) {
		event->last = offset;
		event->least = is_loose(kind) ? offset + (kind == ER_ARGV ? 4 : 0) : event->size;
	}
	return 0;
}

/* --- one value ----------------------------------------------------------------------------------------------------------- */

static uint64_t load_unsigned(const char *from, uint32_t size)
{
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	switch (size) {
	case 8:
		memcpy(&u64, from, 8);
		return u64;
	case 4:
		memcpy(&u32, from, 4);
		return u32;
	case 2:
		memcpy(&u16, from, 2);
		return u16;
	default:
		return *(const uint8_t *)from;
	}
}

static int64_t load_signed(const char *from, uint32_t size)
{
	switch (size) {
	case 8:
		return load_unsigned(from, 8);
	case 4:
		return (int32_t)load_unsigned(from, 4);
	case 2:
		return (int16_t)load_unsigned(from, 2);
	default:
		return *(const int8_t *)from;
	}
}

/* NULL, and the wish noted, where the text of this key is not known. */
static char *put_known(er_encoder *e, const struct event *event, struct field *f, char *to, const char *key, size_t length)
{
	const struct remembered *r = find(&f->memo, key, length);

	if (r)
		return put(to, f->memo.bytes + r->text, r->text_length);
	e->wanted.field = f;
	e->wanted.event = event->id;
	e->wanted.number = f - event->fields;
	if (length <= sizeof(e->wanted.bytes)) { /* the key may stand on our stack */
		memcpy(e->wanted.bytes, key, length);
		key = e->wanted.bytes;
	}
	e->wanted.key = key;
	e->wanted.length = length;
	return NULL;
}

static char *put_json_character(char *to, int32_t c, uint8_t byte)
{
	static const char shorts[] = "b\0n\0fr"; /* of 8, 10, 12, 13 */

	*to++ = '\\';
	if (c < 0) { /* not UTF-8: a backslash, then the byte */
		*to++ = '\\';
		*to++ = 'x';
		return put_hex_byte(to, byte);
	}
	if (c == '"' || c == '\\' || (c >= 8 && c <= 13 && c != 11)) {
		*to++ = c == '"' || c == '\\' ? c : c == 9 ? 't' : shorts[c - 8];
		return to;
	}
	if (c >= 0x10000) {
		c -= 0x10000;
		*to++ = 'u';
		to = put_hex_byte(to, 0xd8 | c >> 18);
		to = put_hex_byte(to, c >> 10);
		*to++ = '\\';
		*to++ = 'u';
		to = put_hex_byte(to, 0xdc | (c >> 8 & 3));
		return put_hex_byte(to, c);
	}
	*to++ = 'u';
	to = put_hex_byte(to, c >> 8);
	return put_hex_byte(to, c);
}

/* A string with its quotes; what is ASCII and needs no escape is copied 8 bytes at a time. */
static char *put_json_text(char *to, const char *text, size_t left)
{
	*to++ = '"';
	while (left) {
		uint64_t word = load_text(text, left);
		uint64_t special = bytes_below_or_high(word, ' ') | bytes_equal(word, '"') | bytes_equal(word, '\\') | bytes_equal(word, 0x7f);
		size_t plain = special ? lowest_byte(special) : 8, length;

		store_text(to, word);
		to += plain;
		if (plain >= left)
			break;
		text += plain;
		left -= plain;
		if (plain == 8)
			continue;
		if (!*text)
			break;
		to = put_json_character(to, next_character(text, left, &length), *text);
		text += length;
		left -= length;
	}
	*to++ = '"';
	return to;
}

/* What was written from `from` on becomes a cell: in quotes, and quotes doubled, where it holds a comma, a quote or a line end. */
static char *close_csv_cell(char *from, char *to)
{
	size_t quotes = 0, special = 0;
	char *at, *end;

	for (at = from; at < to; at++) {
		quotes += *at == '"';
		special += *at == '"' || *at == ',' || *at == '\r' || *at == '\n';
	}
	if (!special)
		return to;
	end = to + quotes + 2;
	*--end = '"';
	for (at = to; at-- > from;) {
		*--end = *at;
		if (*at == '"')
			*--end = '"';
	}
	*from = '"';
	return to + quotes + 2;
}

static char *put_csv_text(char *to, const char *text, size_t left)
{
	return close_csv_cell(to, put_raw_text(to, text, left));
}

/* One word, in double quotes unless it is free of spaces, quotes and controls. Only for ASCII. */
static char *put_word(char *to, const char *text, size_t length)
{
	char *begin = to;
	int bare = length > 0;

	*to++ = '"';
	for (size_t i = 0; i < length; i++) {
		char c = text[i];

		bare &= c > ' ' && c < 0x7f && c != '"' && c != '\'' && c != '\\';
		if (c >= ' ' && c < 0x7f) {
			if (c == '"' || c == '\\')
				*to++ = '\\';
			*to++ = c;
		} else if (c == '\t' || c == '\n' || c == '\r') {
			*to++ = '\\';
			*to++ = c == '\t' ? 't' : c == '\n' ? 'n' : 'r';
		} else {
			*to++ = '\\';
			*to++ = 'x';
			to = put_hex_byte(to, c);
		}
	}
	if (bare) {
		memmove(begin, begin + 1, length);
		return begin + length;
	}
	*to++ = '"';
	return to;
}

static int is_ascii(const char *text, size_t length)
{
	char all = 0;

	for (size_t i = 0; i < length; i++)
		all |= text[i];
	return all >= 0;
}

static char *put_text(er_encoder *e, const struct event *event, struct field *f, char *to, const char *text, size_t size)
{
	if (e->format == ER_JSON)
		return put_json_text(to, text, size);
	if (e->format == ER_CSV)
		return put_csv_text(to, text, size);
	size = strnlen(text, size);
	/* Which characters can be printed is a long table, and Python has it. */
	return is_ascii(text, size) ? put_word(to, text, size) : put_known(e, event, f, to, text, size);
}

/* As a shell needs it: in single quotes, unless all is harmless. */
static char *put_shell_word(char *to, const char *text, size_t length)
{
	int bare = length > 0;

	for (size_t i = 0; i < length; i++) {
		char c = text[i];

		bare &= (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("_@%+=:,./-", c));
	}
	if (bare) {
		memcpy(to, text, length);
		return to + length;
	}
	*to++ = '\'';
	while (length) {
		const char *quote = memchr(text, '\'', length);
		size_t plain = quote ? (size_t)(quote - text) : length;

		to = put_raw_text(to, text, plain);
		text += plain;
		length -= plain;
		if (quote) {
			memcpy(to, "'\"'\"'", 5);
			to += 5;
			text++;
			length--;
		}
	}
	*to++ = '\'';
	return to;
}

/* Words one behind the other, each with its NUL but perhaps the last. */
static char *put_argv(er_encoder *e, const struct event *event, struct field *f, char *to, const char *value, uint32_t size)
{
	uint32_t length = load_unsigned(value, 4);
	const char *at = value + 4, *end;
	char *begin = to;

	length = length > size - 4 ? size - 4 : length;
	end = at + length;
	if (e->format == ER_LINES && !is_ascii(at, length))
		return put_known(e, event, f, to, value, length + 4);
	if (e->format == ER_JSON)
		*to++ = '[';
	while (at < end) {
		size_t word = strnlen(at, end - at);

		if (at > value + 4) {
			if (e->format == ER_JSON)
				*to++ = ',';
			*to++ = ' ';
		}
		if (e->format == ER_JSON)
			to = put_json_text(to, at, word);
		else if (e->format == ER_CSV)
			to = put_shell_word(to, at, word);
		else
			to = put_word(to, at, word);
		at += word + 1;
	}
	if (e->format == ER_JSON)
		*to++ = ']';
	else if (e->format == ER_CSV)
		to = close_csv_cell(begin, to);
	else { /* the whole is quoted once more */
		char *words = begin + 6 * (size_t)size + 16; /* more than a quoted text of such words takes */

		length = to - begin;
		memmove(words, begin, length);
		to = put_word(begin, words, length);
	}
	return to;
}

/* NULL where a text is wanted first. */
static char *put_value(er_encoder *e, const struct event *event, struct field *f, char *to, const char *value, uint32_t size)
{
	int quoted = e->format == ER_JSON;
	int64_t seconds, number;
	uint32_t ns;

	switch (f->kind) {
	case ER_UNSIGNED:
		return put_unsigned(to, load_unsigned(value, size));
	case ER_SIGNED:
		return put_signed(to, load_signed(value, size));
	case ER_BOOL:
		return *value ? put(to, "true\0\0\0\0\0\0\0\0\0\0\0", 4) : put(to, "false\0\0\0\0\0\0\0\0\0\0", 5);
	case ER_RESULT:
		number = load_signed(value, size);
		if (number >= 0 || number < -4095)
			return put_signed(to, number);
		return put_known(e, event, f, to, (const char *)&number, sizeof(number));
	case ER_NAMED:
		number = load_unsigned(value, size);
		return put_known(e, event, f, to, (const char *)&number, sizeof(number));
	case ER_NAMED_SIGNED:
		number = load_signed(value, size);
		return put_known(e, event, f, to, (const char *)&number, sizeof(number));
	case ER_TEXT:
		return put_text(e, event, f, to, value, size);
	case ER_ARGV:
		return put_argv(e, event, f, to, value, size);
	case ER_DURATION:
		return put_duration(to, load_unsigned(value, size));
	case ER_BYTES:
		return put_byte_size(to, load_unsigned(value, size));
	case ER_TIME:
		seconds = split_time(load_unsigned(value, size), e->offset, &ns);
		if (e->format == ER_LINES)
			return put_clock_time(to, &e->second, seconds, ns);
		break;
	default:
		break;
	}
	/* Texts in quotes, in JSON. */
	if (quoted)
		*to++ = '"';
	switch (f->kind) {
	case ER_TIME:
		to = put_iso_time(to, &e->second, seconds, ns);
		break;
	case ER_IP:
		to = put_ip(to, (const uint8_t *)value);
		break;
	case ER_MAC:
		to = put_mac(to, (const uint8_t *)value);
		break;
	case ER_HEX:
		to = put_hex(to, load_unsigned(value, size));
		break;
	default: /* ER_DEVICE */
		number = load_unsigned(value, size);
		to = put_unsigned(to, number >> 20);
		*to++ = ':';
		to = put_unsigned(to, number & 0xfffff);
	}
	if (quoted)
		*to++ = '"';
	return to;
}

/* --- one record ---------------------------------------------------------------------------------------------------------- */

static char *put_mark(char *to, const char *begin, uint32_t mark)
{
	if (mark & UNREADABLE) {
		if (to != begin && !(to == begin + 2 && begin[0] == '"' && begin[1] == '"'))
			*to++ = ' ';
		else
			to = (char *)begin;
		return put(to, "<unreadable>\0\0\0", 12);
	}
	return mark & CUT ? put(to, "\xe2\x80\xa6\0\0\0\0\0\0\0\0\0\0\0\0", 3) : to;
}

static char *put_marked_fields(const er_encoder *e, const struct event *event, char *to, uint32_t marks, int which)
{
	const char *key = which == CUT ? ", \"truncated\": [" : ", \"unreadable\": [";
	size_t key_length = strlen(key);
	char *begin = to;
	int any = 0;

	for (size_t i = 0; i < event->fields_used; i++) {
		const struct field *f = &event->fields[i];

		if (f->mark < 0 || !(marks >> 2 * f->mark & which))
			continue;
		if (e->format == ER_CSV && any)
			*to++ = ' ';
		if (e->format == ER_JSON) {
			memcpy(to, any ? ", " : key, any ? 2 : key_length);
			to += any ? 2 : key_length;
		}
		to = put(to, f->name.text, f->name.length);
		any = 1;
	}
	if (e->format == ER_CSV)
		return close_csv_cell(begin, to);
	if (any)
		*to++ = ']';
	return to;
}

/* The place behind the line; NULL where a text is wanted first. */
static char *put_record(er_encoder *e, struct event *event, char *to, const char *record, uint32_t length)
{
	char *line = to;
	uint32_t marks;

	memcpy(&marks, record + 4, sizeof(marks));
	to = put(to, event->head.text, event->head.length);
	for (size_t i = 0; i < event->fields_used; i++) {
		struct field *f = &event->fields[i];
		uint32_t size = is_loose(f->kind) && length - f->offset < f->size ? length - f->offset : f->size;
		char *begin;

		begin = to = put(to, f->lead.text, f->lead.length);
		to = put_value(e, event, f, to, record + f->offset, size);
		if (!to)
			return NULL;
		if (marks && e->format == ER_LINES && f->mark >= 0)
			to = put_mark(to, begin, marks >> 2 * f->mark);
	}
	if (e->format == ER_JSON && marks) {
		to = put_marked_fields(e, event, to, marks, CUT);
		to = put_marked_fields(e, event, to, marks, UNREADABLE);
	} else if (e->format == ER_CSV && event->marked) {
		*to++ = ',';
		to = marks ? put_marked_fields(e, event, to, marks, CUT) : to;
		*to++ = ',';
		to = marks ? put_marked_fields(e, event, to, marks, UNREADABLE) : to;
	}
	if (to == line && event->fields_used) /* a cell alone and empty would be no row */
		to = put(to, "\"\"\0\0\0\0\0\0\0\0\0\0\0\0\0", 2);
	return put(to, event->tail.text, event->tail.length);
}

static struct event *event_of(er_encoder *e, uint32_t id)
{
	if (e->last < e->events_used && e->events[e->last].id == id)
		return &e->events[e->last];
	for (e->last = 0; e->last < e->events_used; e->last++)
		if (e->events[e->last].id == id)
			return &e->events[e->last];
	return NULL;
}

static size_t most_of(const struct event *event)
{
	size_t most = event->most;

	for (size_t i = 0; i < event->fields_used; i++)
		most += event->fields[i].memo.longest;
	return most;
}

long er_encode(er_encoder *e, const void *data, size_t length, size_t *at, void *out, size_t cap)
{
	const char *from = data;
	char *to = out;
	size_t most = 0;
	struct event *event = NULL;

	e->wanted.field = NULL;
	while (*at < length) {
		const char *record = from + *at + HEAD;
		uint32_t size;
		uint16_t id;
		char *end;

		if (length - *at < 2 * HEAD)
			return -EBADMSG;
		memcpy(&size, from + *at, sizeof(size));
		memcpy(&id, record, sizeof(id));
		if (!event || event->id != id) {
			event = event_of(e, id);
			if (!event)
				return -EBADMSG;
			most = most_of(event);
		}
		if (size > event->size || size < event->least || size > length - *at - HEAD)
			return -EBADMSG;
		if (cap - (to - (char *)out) < most)
			break;
		end = event->skipped ? to : put_record(e, event, to, record, size);
		if (!end)
			break;
		to = end;
		*at += (size + HEAD + 7) & ~(size_t)7;
	}
	return to - (char *)out;
}

long er_encoder_wants(const er_encoder *e, uint32_t *event, uint32_t *field, const void **key)
{
	if (!e->wanted.field)
		return -ENOENT;
	*event = e->wanted.event;
	*field = e->wanted.number;
	*key = e->wanted.key;
	return e->wanted.length;
}

int er_encoder_give(er_encoder *e, const char *text, size_t length)
{
	struct field *f = (struct field *)e->wanted.field;

	return f ? remember(&f->memo, e->wanted.key, e->wanted.length, text, length) : -ENOENT;
}

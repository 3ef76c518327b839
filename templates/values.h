/* Values become text: each function writes at `to`, where its most is free, and returns the place behind. For encode.c. */
#pragma once
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SECOND = 1000000000 };

/* Copies in steps of 16 bytes: up to 15 bytes behind the text are written too, and read behind `text`. */
static inline char *put(char *to, const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i += 16)
		memcpy(to + i, text + i, 16);
	return to + length;
}

/* --- numbers ------------------------------------------------------------------------------------------------------- */

static const char digit_pairs[201] =
	"0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
	"5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

static inline void put_pair(char *to, uint32_t below_100)
{
	memcpy(to, digit_pairs + 2 * below_100, 2);
}

static inline void put_8_digits(char *to, uint32_t n)
{
	uint32_t high = n / 10000, low = n % 10000;

	put_pair(to, high / 100);
	put_pair(to + 2, high % 100);
	put_pair(to + 4, low / 100);
	put_pair(to + 6, low % 100);
}

static inline int count_digits(uint32_t n)
{
	return n < 10 ? 1 : n < 100 ? 2 : n < 1000 ? 3 : n < 10000 ? 4 : n < 100000 ? 5 : n < 1000000 ? 6 : n < 10000000 ? 7 : 8;
}

static inline char *put_below_100_million(char *to, uint32_t n)
{
	int digits = count_digits(n);
	char *at = to + digits;

	for (; n >= 100; n /= 100)
		put_pair(at -= 2, n % 100);
	if (n >= 10)
		put_pair(at - 2, n);
	else
		at[-1] = '0' + n;
	return to + digits;
}

static inline char *put_unsigned(char *to, uint64_t n)
{
	enum { LIMIT = 100000000 };
	uint64_t high;

	if (n < LIMIT)
		return put_below_100_million(to, n);
	high = n / LIMIT;
	if (high < LIMIT) {
		to = put_below_100_million(to, high);
	} else {
		to = put_below_100_million(to, high / LIMIT);
		put_8_digits(to, high % LIMIT);
		to += 8;
	}
	put_8_digits(to, n % LIMIT);
	return to + 8;
}

static inline char *put_signed(char *to, int64_t n)
{
	if (n >= 0)
		return put_unsigned(to, n);
	*to = '-';
	return put_unsigned(to + 1, 0 - (uint64_t)n);
}

static const char hex_digits[17] = "0123456789abcdef";

static inline char *put_hex(char *to, uint64_t n)
{
	int shift = n ? (63 - __builtin_clzll(n)) & ~3 : 0;

	*to++ = '0';
	*to++ = 'x';
	for (; shift >= 0; shift -= 4)
		*to++ = hex_digits[n >> shift & 15];
	return to;
}

static inline char *put_hex_byte(char *to, uint8_t byte)
{
	*to++ = hex_digits[byte >> 4];
	*to++ = hex_digits[byte & 15];
	return to;
}

/* --- units, as people read them: render.py has the same -------------------------------------------------------------- */

static inline char *put_three_digits(char *to, double value)
{
	return to + snprintf(to, 32, "%.*f", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value);
}

static inline char *put_duration(char *to, uint64_t ns)
{
	uint64_t seconds = ns / SECOND + (ns % SECOND >= SECOND / 2);

	if (ns < 1000)
		return put(put_unsigned(to, ns), "ns\0\0\0\0\0\0\0\0\0\0\0\0\0", 2);
	if (ns < 999500)
		return put(put_three_digits(to, (double)ns / 1000), "us\0\0\0\0\0\0\0\0\0\0\0\0\0", 2);
	if (ns < 999500000)
		return put(put_three_digits(to, (double)ns / 1000000), "ms\0\0\0\0\0\0\0\0\0\0\0\0\0", 2);
	if (ns < 59950000000)
		return put(put_three_digits(to, (double)ns / SECOND), "s\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 1);
	if (seconds < 3600)
		return to + sprintf(to, "%um%02us", (unsigned)(seconds / 60), (unsigned)(seconds % 60));
	if (seconds / 60 < 24 * 60)
		return to + sprintf(to, "%uh%02um", (unsigned)(seconds / 3600), (unsigned)(seconds / 60 % 60));
	return to + sprintf(to, "%ud%02uh", (unsigned)(seconds / 86400), (unsigned)(seconds / 3600 % 24));
}

static inline char *put_byte_size(char *to, uint64_t size)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)size / 1024;
	int unit = 0;

	if (size < 1024)
		return put(put_unsigned(to, size), "B\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 1);
	for (; value >= 1023.5 && unit < 5; unit++)
		value /= 1024;
	return to + sprintf(to, "%.*f%s", value < 99.95 ? 1 : 0, value, units[unit]);
}

/* --- time ---------------------------------------------------------------------------------------------------------- */

/* The text of the last second that was asked for. */
struct second {
	int64_t at;
	uint32_t length;
	char text[44]; /* more than a year of any size needs, and room for `put` */
};

static inline int64_t split_time(uint64_t value, int64_t offset, uint32_t *ns)
{
	__int128 sum = (__int128)value + offset;
	int64_t seconds, rest;

	if (sum >= 0 && sum <= INT64_MAX) { /* the compiler divides these without a call */
		*ns = (uint64_t)sum % SECOND;
		return (uint64_t)sum / SECOND;
	}
	seconds = sum / SECOND;
	rest = sum % SECOND;
	*ns = rest < 0 ? rest + SECOND : rest;
	return seconds - (rest < 0);
}

static inline void put_9_digits(char *to, uint32_t n)
{
	to[0] = '0' + n / 100000000;
	put_8_digits(to + 1, n % 100000000);
}

/* 2026-11-23T00:23:01.123456789Z, in UTC. */
static inline char *put_iso_time(char *to, struct second *last, int64_t seconds, uint32_t ns)
{
	if (seconds != last->at) {
		struct tm tm = {0};
		time_t at = seconds;

		gmtime_r(&at, &tm);
		last->length = snprintf(last->text, sizeof(last->text), "%d-%02d-%02dT%02d:%02d:%02d.", tm.tm_year + 1900,
					tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
		last->at = seconds;
	}
	to = put(to, last->text, last->length);
	put_9_digits(to, ns);
	to[9] = 'Z';
	return to + 10;
}

/* 00:23:01.123456, local. */
static inline char *put_clock_time(char *to, struct second *last, int64_t seconds, uint32_t ns)
{
	char digits[9];

	if (seconds != last->at) {
		struct tm tm = {0};
		time_t at = seconds;

		localtime_r(&at, &tm);
		last->length = snprintf(last->text, sizeof(last->text), "%02d:%02d:%02d.", tm.tm_hour, tm.tm_min, tm.tm_sec);
		last->at = seconds;
	}
	to = put(to, last->text, last->length);
	put_9_digits(digits, ns);
	memcpy(to, digits, 6);
	return to + 6;
}

/* --- addresses ----------------------------------------------------------------------------------------------------- */

static inline char *put_ip(char *to, const uint8_t *raw)
{
	static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (!memcmp(raw, v4_mapped, sizeof(v4_mapped))) {
		for (int i = 12; i < 16; i++) {
			to = put_unsigned(to, raw[i]);
			*to++ = '.';
		}
		return to - 1;
	}
	inet_ntop(AF_INET6, raw, to, INET6_ADDRSTRLEN);
	return to + strlen(to);
}

static inline char *put_mac(char *to, const uint8_t *raw)
{
	for (int i = 0; i < 6; i++) {
		to = put_hex_byte(to, raw[i]);
		*to++ = ':';
	}
	return to - 1;
}

/* --- text ---------------------------------------------------------------------------------------------------------- */

/* Up to 8 bytes of text, the first in the lowest byte, zeroes behind the last. */
static inline uint64_t load_text(const char *text, size_t left)
{
	uint64_t word = 0;

	if (left >= 8)
		memcpy(&word, text, 8);
	else
		for (size_t i = 0; i < left; i++)
			((char *)&word)[i] = text[i];
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

static inline void store_text(char *to, uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	memcpy(to, &word, 8);
}

#define EACH_BYTE(byte) (0x0101010101010101ull * (byte))

/* The highest bit of each byte that is below n (at most 128) or has its own highest bit set; exact for the lowest such byte. */
static inline uint64_t bytes_below_or_high(uint64_t word, uint8_t n)
{
	return ((word - EACH_BYTE(n)) | word) & EACH_BYTE(0x80);
}

static inline uint64_t bytes_equal(uint64_t word, uint8_t byte)
{
	uint64_t x = word ^ EACH_BYTE(byte);

	return (x - EACH_BYTE(1)) & ~x & EACH_BYTE(0x80);
}

static inline size_t lowest_byte(uint64_t marks)
{
	return __builtin_ctzll(marks) / 8;
}

/* The character at `text` and in *length its bytes; -1, and a length of 1, for a byte that is not UTF-8. */
static inline int32_t next_character(const char *text, size_t left, size_t *length)
{
	const uint8_t *b = (const uint8_t *)text;
	size_t n = b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : b[0] < 0xf5 ? 4 : 0;
	int32_t c = n < 2 ? b[0] : b[0] & 0x7f >> n;

	*length = 1;
	if (!n || n > left)
		return -1;
	for (size_t i = 1; i < n; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return -1;
		c = c << 6 | (b[i] & 0x3f);
	}
	if ((n == 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) || (n == 4 && (c < 0x10000 || c > 0x10ffff)))
		return -1;
	*length = n;
	return c;
}

/* As it is; bytes that are not UTF-8 as \xNN. */
static inline char *put_raw_text(char *to, const char *text, size_t left)
{
	while (left) {
		uint64_t word = load_text(text, left);
		uint64_t special = bytes_below_or_high(word, 1);
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
		if (next_character(text, left, &length) < 0) {
			*to++ = '\\';
			*to++ = 'x';
			to = put_hex_byte(to, *text);
		} else {
			memcpy(to, text, length);
			to += length;
		}
		text += length;
		left -= length;
	}
	return to;
}

/* Of any bytes; never 0. */
static inline uint64_t hash_of(const char *key, size_t length)
{
	uint64_t hash = length * 0x9e3779b97f4a7c15ull;

	for (size_t i = 0; i < length; i += 8) {
		hash = (hash ^ load_text(key + i, length - i)) * 0xd6e8feb86659fd93ull;
		hash ^= hash >> 32;
	}
	return hash | 1;
}

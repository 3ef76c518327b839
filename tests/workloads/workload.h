/* What every workload shares: it says that it is ready, waits for a line, works, says what it did, waits for the end of stdin.
 *
 * Between the line and the result a program makes no system call and no allocation but those that it reports, except that the
 * read of the line returns, and that the result is written by one write. With WORKLOAD_NOW in the environment it waits for
 * nothing: for use as another program's command.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char out_text[1 << 20]; /* static: no allocation while the work is watched */
static size_t out_length;
static int wait_for_stdin = 1;

__attribute__((noreturn)) static inline void die(const char *what)
{
	dprintf(2, "%s: %s\n", what, strerror(errno));
	_exit(1);
}

__attribute__((noreturn)) static inline void usage(const char *text)
{
	dprintf(2, "usage: %s\n", text);
	_exit(2);
}

/* Appends to the result. */
__attribute__((format(printf, 1, 2))) static inline void out(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(out_text + out_length, sizeof(out_text) - out_length, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(out_text) - out_length) {
		dprintf(2, "the result is too long\n");
		_exit(1);
	}
	out_length += n;
}

/* Appends a string of printable ASCII as JSON. */
static inline void out_string(const char *s)
{
	out("\"");
	for (; *s; s++)
		out(*s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
	out("\"");
}

static inline void out_write(void)
{
	out("\n");
	if (write(1, out_text, out_length) != (ssize_t)out_length)
		die("write");
	out_length = 0;
}

static inline void wait_for_line(void)
{
	char c = 0;

	while (wait_for_stdin && c != '\n')
		if (read(0, &c, 1) != 1)
			_exit(0); /* nobody wants the work */
}

/* Says that the work can begin, and waits until it may. */
static inline void ready(void)
{
	wait_for_stdin = !getenv("WORKLOAD_NOW");
	if (!wait_for_stdin)
		return;
	out("{\"pid\": %d}", getpid());
	out_write();
	wait_for_line();
}

/* Writes the result, and stays until stdin ends, so that the process can be looked at. */
static inline void finish(void)
{
	char c;

	out_write();
	while (wait_for_stdin && read(0, &c, 1) == 1)
		;
}

/* A number from the command line. */
static inline long number(const char *text, const char *usage_text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || end == text || n < 0)
		usage(usage_text);
	return n;
}

#endif

/* Calls of the C library's allocator: `heap OP...`, in this order, with OP one of
 *   malloc=SIZExN       N blocks of SIZE bytes
 *   calloc=COUNT,SIZExN N blocks of COUNT elements of SIZE bytes
 *   realloc=SIZExN      the N newest blocks, each to SIZE bytes
 *   free=N              the N oldest blocks
 * SIZE must stay below 100000, so that no block is a mapping of its own. The result lists every call with its size. */
#include "workload.h"

#define USAGE "heap malloc=SIZExN|calloc=COUNT,SIZExN|realloc=SIZExN|free=N..."
#define MOST 10000

static struct {
	void *volatile p; /* volatile: no allocation may be optimised away */
	long size;
} blocks[MOST];
static struct {
	const char *name;
	long size;
} calls[MOST];
static int newest, oldest, made;

static void note(const char *name, long size)
{
	if (made == MOST)
		usage(USAGE);
	calls[made].name = name;
	calls[made++].size = size;
}

static void add_block(void *p, long size)
{
	if (!p || newest == MOST)
		die("allocation");
	blocks[newest].p = p;
	blocks[newest++].size = size;
}

/* "in use" is what the program asked for and did not free. */
static long outstanding(void)
{
	long sum = 0;

	for (int i = oldest; i < newest; i++)
		sum += blocks[i].size;
	return sum;
}

static void perform(const char *op)
{
	long count, size, n;

	if (sscanf(op, "malloc=%ldx%ld", &size, &n) == 2) {
		for (; n > 0; n--, note("malloc", size))
			add_block(malloc(size), size);
	} else if (sscanf(op, "calloc=%ld,%ldx%ld", &count, &size, &n) == 3) {
		for (; n > 0; n--, note("calloc", count * size))
			add_block(calloc(count, size), count * size);
	} else if (sscanf(op, "realloc=%ldx%ld", &size, &n) == 2 && n <= newest - oldest) {
		for (int i = newest - n; i < newest; i++, note("realloc", size)) {
			blocks[i].p = realloc(blocks[i].p, size);
			blocks[i].size = size;
		}
	} else if (sscanf(op, "free=%ld", &n) == 1 && n <= newest - oldest) {
		for (; n > 0; n--, oldest++, note("free", blocks[oldest - 1].size))
			free(blocks[oldest].p);
	} else {
		usage(USAGE);
	}
}

int main(int argc, char **argv)
{
	if (argc < 2)
		usage(USAGE);
	ready();
	for (int i = 1; i < argc; i++)
		perform(argv[i]);
	out("{\"pid\": %d, \"outstanding\": %ld, \"blocks\": %d, \"calls\": [", getpid(), outstanding(), newest - oldest);
	for (int i = 0; i < made; i++)
		out("%s{\"call\": \"%s\", \"size\": %ld}", i ? ", " : "", calls[i].name, calls[i].size);
	out("]}");
	finish();
	return 0;
}

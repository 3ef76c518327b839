/* Calls of the C library's allocator: `heap OP...`, in this order, with OP one of
 *   malloc=SIZExN       N blocks of SIZE bytes
 *   calloc=COUNT,SIZExN N blocks of COUNT elements of SIZE bytes
 *   realloc=SIZExN      the N newest blocks, each to SIZE bytes
 *   renew=SIZExN        N blocks of SIZE bytes from realloc of no block
 *   free=N              the N oldest blocks
 *   drop=N              the same by realloc to no bytes
 *   nothing=N           N times free of no block
 *   refused=N           N times three calls that fail: malloc, calloc, and realloc of the newest block, of far too many bytes
 * What stands before an operand `before` is done before the program says that it is ready, and is not in the result.
 * SIZE must stay below 100000, so that no block is a mapping of its own. The result lists every call that gave or took a block, with its size. */
#include "workload.h"

#define USAGE "heap malloc=SIZExN|calloc=COUNT,SIZExN|realloc=SIZExN|renew=SIZExN|free=N|drop=N|nothing=N|refused=N..."
#define FAR_TOO_MANY ((size_t)1 << 62)
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

static void note_taken(void)
{
	note("free", blocks[oldest++].size);
}

static void refuse(void)
{
	volatile size_t many = FAR_TOO_MANY; /* volatile: the compiler knows that it can't be */

	if (malloc(many) || calloc(many, 5) || realloc(blocks[newest - 1].p, many))
		die("allocation of far too many bytes");
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
		for (; n > 0; n--, note_taken())
			free(blocks[oldest].p);
	} else if (sscanf(op, "renew=%ldx%ld", &size, &n) == 2) {
		for (; n > 0; n--, note("realloc", size))
			add_block(realloc(NULL, size), size);
	} else if (sscanf(op, "drop=%ld", &n) == 1 && n <= newest - oldest) {
		for (; n > 0; n--, note_taken())
			if (realloc(blocks[oldest].p, 0))
				die("realloc to no bytes");
	} else if (sscanf(op, "nothing=%ld", &n) == 1) {
		for (; n > 0; n--)
			free(NULL);
	} else if (sscanf(op, "refused=%ld", &n) == 1 && newest > oldest) {
		for (; n > 0; n--)
			refuse();
	} else {
		usage(USAGE);
	}
}

int main(int argc, char **argv)
{
	if (argc < 2)
		usage(USAGE);
	int first = 1;
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "before"))
			first = i + 1;
	for (int i = 1; i < first - 1; i++)
		perform(argv[i]);
	made = 0;
	ready();
	for (int i = first; i < argc; i++)
		perform(argv[i]);
	out("{\"pid\": %d, \"outstanding\": %ld, \"blocks\": %d, \"calls\": [", getpid(), outstanding(), newest - oldest);
	for (int i = 0; i < made; i++)
		out("%s{\"call\": \"%s\", \"size\": %ld}", i ? ", " : "", calls[i].name, calls[i].size);
	out("]}");
	finish();
	return 0;
}

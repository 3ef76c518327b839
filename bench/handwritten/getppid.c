/* The hand-written getppid tracer's user half: `getppid PID` looks at each record by libbpf's plain ring_buffer__poll, with
 * PACE_MS by ring_buffer__consume every so many milliseconds. Ends with SIGINT or SIGTERM, and says what it counted. */
#include <bpf/libbpf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "getppid.h"
#include "getppid.skel.h"

static volatile sig_atomic_t ended;
static unsigned long long delivered, tasks;

static void end(int number)
{
	(void)number;
	ended = 1;
}

static int look(void *ctx, void *data, size_t size)
{
	const struct call *call = data;

	(void)ctx;
	(void)size;
	delivered++;
	tasks ^= call->task;
	return 0;
}

int main(int argc, char **argv)
{
	struct getppid_bpf *skeleton = getppid_bpf__open();
	struct ring_buffer *ring;

	if (!skeleton || argc != 2)
		return 1;
	skeleton->rodata->only_pid = atoi(argv[1]);
	if (getppid_bpf__load(skeleton) || getppid_bpf__attach(skeleton))
		return 1;
	ring = ring_buffer__new(bpf_map__fd(skeleton->maps.events), look, NULL, NULL);
	if (!ring)
		return 1;
	signal(SIGINT, end);
	signal(SIGTERM, end);
	fprintf(stderr, "attached\n");
	while (!ended) {
#ifdef PACE_MS
		usleep(PACE_MS * 1000);
		ring_buffer__consume(ring);
#else
		ring_buffer__poll(ring, 100);
#endif
	}
	ring_buffer__consume(ring);
	fprintf(stderr, "call: %llu produced = %llu delivered, %llu lost\n", (unsigned long long)skeleton->bss->produced, delivered,
		(unsigned long long)skeleton->bss->lost);
	ring_buffer__free(ring);
	getppid_bpf__destroy(skeleton);
	return tasks == 1; /* never: it keeps the records looked at */
}

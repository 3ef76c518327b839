/* The hand-written opensnoop's user half: prints a line an event. Ends with SIGINT or SIGTERM. */
#include <bpf/libbpf.h>
#include <signal.h>
#include <stdio.h>

#include "opensnoop.h"
#include "opensnoop.skel.h"

static volatile sig_atomic_t ended;

static void end(int number)
{
	(void)number;
	ended = 1;
}

static int print(void *ctx, void *data, size_t size)
{
	const struct open_event *e = data;

	(void)ctx;
	(void)size;
	printf("%llu %u %u %s %s %llx %lld %llu\n", e->time, e->pid, e->tid, e->comm, e->path, e->flags, e->result, e->latency);
	return 0;
}

int main(void)
{
	struct opensnoop_bpf *skeleton = opensnoop_bpf__open_and_load();
	struct ring_buffer *ring;

	if (!skeleton || opensnoop_bpf__attach(skeleton))
		return 1;
	ring = ring_buffer__new(bpf_map__fd(skeleton->maps.events), print, NULL, NULL);
	if (!ring)
		return 1;
	signal(SIGINT, end);
	signal(SIGTERM, end);
	fprintf(stderr, "attached\n");
	while (!ended)
		if (!ring_buffer__poll(ring, 50))
			ring_buffer__consume(ring); /* records submitted without a wake-up */
	ring_buffer__free(ring);
	opensnoop_bpf__destroy(skeleton);
	return 0;
}

/* The C library's allocator from several threads at once: `heap_threads THREADS ROUNDS SIZE`. In each round, each thread takes a
 * block of SIZE bytes, lets realloc double it, and frees it, but for the last one, which stays. Threads begin together. */
#include "workload.h"
#include <pthread.h>

#define USAGE "heap_threads THREADS ROUNDS SIZE"
#define MOST 16

static long rounds, size;
static pthread_barrier_t begin, end;
static void *volatile kept[MOST];

static void *work(void *slot)
{
	pthread_barrier_wait(&begin);
	for (long i = 0; i < rounds; i++) {
		void *p = malloc(size);
		p = realloc(p, 2 * size);
		if (!p)
			die("allocation");
		if (i < rounds - 1)
			free(p);
		else
			*(void *volatile *)slot = p;
	}
	pthread_barrier_wait(&end);
	pthread_barrier_wait(&begin); /* for ever: a thread's end frees what is not ours */
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc != 4)
		usage(USAGE);
	long threads = number(argv[1], USAGE);
	rounds = number(argv[2], USAGE);
	size = number(argv[3], USAGE);
	if (threads > MOST || !rounds)
		usage(USAGE);
	pthread_barrier_init(&begin, NULL, threads + 1);
	pthread_barrier_init(&end, NULL, threads + 1);
	for (long i = 0; i < threads; i++)
		if (pthread_create(&thread, NULL, work, (void *)&kept[i]))
			die("pthread_create");
	ready();
	pthread_barrier_wait(&begin);
	pthread_barrier_wait(&end);
	out("{\"pid\": %d, \"asked\": %ld, \"outstanding\": %ld}", getpid(), 2 * threads * rounds, 2 * threads * size);
	finish();
	_exit(0);
}

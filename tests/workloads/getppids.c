/* getppid at full speed, or at a rate: `getppids N [PER_SECOND]` calls it N times. With a rate, calls come in bursts of a
 * millisecond's worth, each at its time; what a late burst missed is caught up. Says how long it took, and how much of that on a CPU. */
#include "workload.h"
#include <sys/syscall.h>
#include <time.h>

#define USAGE "getppids N [PER_SECOND]"
enum { BURSTS = 1000 }; /* a second */

static long long now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void wait_until(long long ns)
{
	const struct timespec t = {ns / 1000000000, ns % 1000000000};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void calls(long n)
{
	for (long i = 0; i < n; i++)
		syscall(SYS_getppid);
}

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 3)
		usage(USAGE);
	long n = number(argv[1], USAGE), rate = argc > 2 ? number(argv[2], USAGE) : 0, done = 0;
	ready();
	long long start = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	if (!rate)
		calls(n);
	for (long long burst = 1; rate && done < n; burst++) {
		long due = burst * rate / BURSTS;
		due = due < n ? due : n;
		calls(due - done);
		done = due;
		wait_until(start + burst * 1000000000LL / BURSTS);
	}
	out("{\"pid\": %d, \"count\": %ld, \"cpu_ns\": %lld, \"ns\": %lld}", getpid(), n, now(CLOCK_PROCESS_CPUTIME_ID) - cpu,
	    now(CLOCK_MONOTONIC) - start);
	finish();
	return 0;
}

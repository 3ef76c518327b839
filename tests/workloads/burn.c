/* Uses CPU time: `burn MILLISECONDS CPU` computes on processor CPU until it has used that much CPU time. */
#include "workload.h"
#include <sched.h>
#include <time.h>

#define USAGE "burn MILLISECONDS CPU"

static long long cpu_time(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv)
{
	cpu_set_t cpus;
	volatile unsigned long sum = 0;

	if (argc != 3)
		usage(USAGE);
	long long ns = number(argv[1], USAGE) * 1000000LL;
	CPU_ZERO(&cpus);
	CPU_SET(number(argv[2], USAGE), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("sched_setaffinity");
	ready();
	long long start = cpu_time();
	while (cpu_time() - start < ns)
		for (int i = 0; i < 100000; i++)
			sum += i;
	out("{\"pid\": %d, \"cpu\": %s, \"cpu_ns\": %lld}", getpid(), argv[2], cpu_time() - start);
	finish();
	return 0;
}

/* Waits for a processor: `wakeups ROUNDS CPU` lets two processes on processor CPU wake each other ROUNDS times through a pair of
 * pipes. The kernel's own count is reported for both: how often each was given the processor (`runs`) and how long it waited for
 * it (`wait_ns`), from /proc/PID/schedstat; both are null where the kernel does not keep them. */
#include "workload.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define USAGE "wakeups ROUNDS CPU"

struct schedule {
	unsigned long long run_ns, wait_ns, runs;
};

static struct schedule schedule_of(int pid)
{
	char path[64], text[128] = "";
	struct schedule s = {0};

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return s;
	if (read(fd, text, sizeof(text) - 1) <= 0 || sscanf(text, "%llu %llu %llu", &s.run_ns, &s.wait_ns, &s.runs) != 3)
		die(path);
	close(fd);
	return s;
}

static void pass(int from, int to, long rounds)
{
	char c = 'x';

	for (long i = 0; i < rounds; i++)
		if (read(from, &c, 1) != 1 || write(to, &c, 1) != 1)
			die("pipe");
}

static void out_schedule(const char *name, int pid, struct schedule before, struct schedule after)
{
	out("\"%s\": {\"pid\": %d, ", name, pid);
	if (after.runs)
		out("\"runs\": %llu, \"wait_ns\": %llu}", after.runs - before.runs, after.wait_ns - before.wait_ns);
	else
		out("\"runs\": null, \"wait_ns\": null}");
}

int main(int argc, char **argv)
{
	cpu_set_t cpus;
	int there[2], back[2], status;
	char c = 'x';

	if (argc != 3)
		usage(USAGE);
	long rounds = number(argv[1], USAGE);
	CPU_ZERO(&cpus);
	CPU_SET(number(argv[2], USAGE), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) || pipe(there) || pipe(back))
		die("pipe");
	pid_t child = fork();
	if (child < 0)
		die("fork");
	if (!child) {
		close(0);
		close(there[1]);
		pass(there[0], back[1], rounds);
		read(there[0], &c, 1); /* stays until the parent has looked */
		_exit(0);
	}
	close(there[0]);
	ready();
	struct schedule own = schedule_of(getpid()), other = schedule_of(child);
	for (long i = 0; i < rounds; i++)
		if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
			die("pipe");
	struct schedule own_after = schedule_of(getpid()), other_after = schedule_of(child);
	close(there[1]);
	if (waitpid(child, &status, 0) != child || status)
		die("the other process");
	out("{\"rounds\": %ld, ", rounds);
	out_schedule("waker", getpid(), own, own_after);
	out(", ");
	out_schedule("woken", child, other, other_after);
	out(", \"pid\": %d}", getpid());
	finish();
	return 0;
}

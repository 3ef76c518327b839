/* Starts programs: `execs N PROGRAM [ARG...]` N times forks a child that executes PROGRAM with the arguments ARG…, and waits for
 * it. A child that cannot execute it exits with 127. */
#include "workload.h"
#include <sys/wait.h>

#define USAGE "execs N PROGRAM [ARG...]"
#define MOST 2000

static int children[MOST], statuses[MOST];

int main(int argc, char **argv)
{
	int status;

	if (argc < 3)
		usage(USAGE);
	long n = number(argv[1], USAGE);
	if (n > MOST)
		usage(USAGE);
	ready();
	for (long i = 0; i < n; i++) {
		children[i] = fork();
		if (children[i] < 0)
			die("fork");
		if (!children[i]) {
			execv(argv[2], argv + 2);
			_exit(127);
		}
		if (waitpid(children[i], &status, 0) != children[i])
			die("waitpid");
		statuses[i] = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
	}
	out("{\"pid\": %d, \"argv\": [", getpid());
	for (int i = 2; i < argc; i++) {
		out(i > 2 ? ", " : "");
		out_string(argv[i]);
	}
	out("], \"children\": [");
	for (long i = 0; i < n; i++)
		out("%s{\"pid\": %d, \"status\": %d}", i ? ", " : "", children[i], statuses[i]);
	out("]}");
	finish();
	return 0;
}

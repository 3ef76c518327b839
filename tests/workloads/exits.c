/* Processes that end in known ways: `exits WAY...` forks one child for each WAY and waits for it: a number is an exit code, a
 * number with a minus sign is the signal with which the child kills itself (-9 is SIGKILL). */
#include "workload.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define USAGE "exits CODE|-SIGNAL..."

int main(int argc, char **argv)
{
	static int children[2000];
	const struct rlimit no_core = {0, 0};
	int status;

	if (argc < 2 || argc > 2000)
		usage(USAGE);
	setrlimit(RLIMIT_CORE, &no_core);
	ready();
	for (int i = 1; i < argc; i++) {
		int way = atoi(argv[i]);
		children[i] = fork();
		if (children[i] < 0)
			die("fork");
		if (!children[i]) {
			if (way >= 0)
				_exit(way);
			signal(-way, SIG_DFL);
			kill(getpid(), -way);
			_exit(99); /* not a signal that kills */
		}
		if (waitpid(children[i], &status, 0) != children[i])
			die("waitpid");
		if ((WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status)) != way)
			usage(USAGE);
	}
	out("{\"pid\": %d, \"children\": [", getpid());
	for (int i = 1; i < argc; i++) {
		int way = atoi(argv[i]);
		out("%s{\"pid\": %d, \"code\": %d, \"signal\": %d}", i > 1 ? ", " : "", children[i], way < 0 ? 0 : way,
		    way < 0 ? -way : 0);
	}
	out("]}");
	finish();
	return 0;
}

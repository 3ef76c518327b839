/* Opens files of known names: `files DIR FOUND MISSING` opens DIR/found-0000… (made before), then DIR/missing-0000…, which are
 * not there. Flags change from file to file. Each file is closed again after it was opened. */
#include "workload.h"
#include <fcntl.h>

#define USAGE "files DIR FOUND MISSING"
#define MOST 2000

static struct {
	char path[512];
	int flags, result;
} opens[MOST];

int main(int argc, char **argv)
{
	static const int flags[] = {O_RDONLY, O_WRONLY | O_CLOEXEC, O_RDWR | O_APPEND, O_RDONLY | O_NONBLOCK};

	if (argc != 4)
		usage(USAGE);
	long found = number(argv[2], USAGE), missing = number(argv[3], USAGE), n = found + missing;
	if (n > MOST)
		usage(USAGE);
	for (long i = 0; i < n; i++) {
		int is_missing = i >= found;
		int length = snprintf(opens[i].path, sizeof(opens[i].path), "%s/%s-%04ld", argv[1], is_missing ? "missing" : "found",
				      is_missing ? i - found : i);
		if (length >= (int)sizeof(opens[i].path))
			usage(USAGE);
		opens[i].flags = flags[i % 4];
		if (!is_missing)
			close(open(opens[i].path, O_CREAT | O_WRONLY, 0600));
	}
	ready();
	for (long i = 0; i < n; i++) {
		int fd = open(opens[i].path, opens[i].flags);
		opens[i].result = fd < 0 ? -errno : fd;
		if (fd >= 0)
			close(fd);
	}
	out("{\"pid\": %d, \"opens\": [", getpid());
	for (long i = 0; i < n; i++) {
		out("%s{\"path\": ", i ? ", " : "");
		out_string(opens[i].path);
		out(", \"flags\": %d, \"result\": %d}", opens[i].flags, opens[i].result);
	}
	out("]}");
	finish();
	return 0;
}

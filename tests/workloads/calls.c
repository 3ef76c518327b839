/* System calls of known kinds, results and number: `calls KIND=N...`, in this order. Each goes straight to the kernel. Kinds:
 *   getppid getuid          succeed
 *   close                   fails with EBADF
 *   openat                  fails with ENOENT
 *   create                  creates a file in the current directory (new each time)
 *   pread64 pwrite64        8 bytes from /dev/zero, 8 bytes to a file
 *   fsync                   of that file
 *   nanosleep               for a millisecond: a call that takes time
 * The file of pwrite64 and fsync is opened (and unlinked) before the work begins, and created files are removed after the result. */
#include "workload.h"
#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>

#define USAGE "calls KIND=N..."
#define MOST 64

static int zero, file, created, own_pid;

static long call_getppid(void) { return syscall(SYS_getppid); }
static long call_getuid(void) { return syscall(SYS_getuid); }
static long call_close(void) { return syscall(SYS_close, 999); }
static long call_openat(void) { return syscall(SYS_openat, AT_FDCWD, "/nonexistent/file", O_RDONLY); }
static long call_fsync(void) { return syscall(SYS_fsync, file); }

static long call_pread64(void)
{
	char bytes[8];
	return syscall(SYS_pread64, zero, bytes, sizeof(bytes), 0);
}

static long call_pwrite64(void)
{
	return syscall(SYS_pwrite64, file, "8 bytes!", 8, 0);
}

static long call_nanosleep(void)
{
	const struct timespec millisecond = {0, 1000000};
	return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &millisecond, NULL);
}

static const char *created_name(int i)
{
	static char name[64];
	snprintf(name, sizeof(name), "created-%d-%d", own_pid, i);
	return name;
}

static long call_create(void)
{
	return syscall(SYS_openat, AT_FDCWD, created_name(created++), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
}

static const struct kind {
	const char *name, *syscall;
	long (*call)(void);
} kinds[] = {
	{"getppid", "getppid", call_getppid}, {"getuid", "getuid", call_getuid}, {"close", "close", call_close},
	{"openat", "openat", call_openat}, {"create", "openat", call_create}, {"pread64", "pread64", call_pread64},
	{"pwrite64", "pwrite64", call_pwrite64}, {"fsync", "fsync", call_fsync}, {"nanosleep", "clock_nanosleep", call_nanosleep},
};

static struct {
	const struct kind *kind;
	long n, errors;
	int errno_seen;
	long long ns;
} work[MOST];

static const struct kind *find_kind(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strlen(kinds[i].name) == length && !strncmp(kinds[i].name, name, length))
			return &kinds[i];
	usage(USAGE);
}

static long long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t); /* in the vDSO: not a system call */
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv)
{
	char scratch[64];

	if (argc < 2 || argc > MOST)
		usage(USAGE);
	for (int i = 1; i < argc; i++) {
		char *equals = strchr(argv[i], '=');
		if (!equals)
			usage(USAGE);
		work[i].kind = find_kind(argv[i], equals - argv[i]);
		work[i].n = number(equals + 1, USAGE);
	}
	own_pid = getpid(); /* once: the C library does not remember it */
	zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	snprintf(scratch, sizeof(scratch), "scratch-%d", own_pid);
	file = open(scratch, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (zero < 0 || file < 0 || unlink(scratch))
		die("files");
	ready();
	for (int i = 1; i < argc; i++) {
		long long start = now();
		for (long n = 0; n < work[i].n; n++)
			if (work[i].kind->call() < 0) {
				work[i].errors++;
				work[i].errno_seen = errno;
			}
		work[i].ns = now() - start;
	}
	out("{\"pid\": %d, \"calls\": [", own_pid);
	for (int i = 1; i < argc; i++)
		out("%s{\"kind\": \"%s\", \"syscall\": \"%s\", \"count\": %ld, \"errors\": %ld, \"errno\": %d, \"ns\": %lld}",
		    i > 1 ? ", " : "", work[i].kind->name, work[i].kind->syscall, work[i].n, work[i].errors, work[i].errno_seen,
		    work[i].ns);
	out("]}");
	finish();
	for (int i = 0; i < created; i++)
		unlink(created_name(i));
	return 0;
}

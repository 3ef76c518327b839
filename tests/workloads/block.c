/* Block I/O of known number and size: `block DIR WRITES READS SIZE` makes a loop device over a new file in DIR, then writes and
 * reads SIZE bytes (a multiple of 4096, at most 65536) directly, one request each. The device goes away with the process. The
 * kernel's own count for the device (/sys/dev/block/…/stat) is reported beside. Needs root. */
#include "workload.h"
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define USAGE "block DIR WRITES READS SIZE"

struct counts {
	unsigned long long reads, read_sectors, writes, written_sectors;
};

static struct counts kernel_counts(dev_t device)
{
	char path[64], text[512] = "";
	struct counts c;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat", major(device), minor(device));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 ||
	    sscanf(text, "%llu %*u %llu %*u %llu %*u %llu", &c.reads, &c.read_sectors, &c.writes, &c.written_sectors) != 4)
		die(path);
	close(fd);
	return c;
}

/* A free loop device, bound to the file; it is freed when the last descriptor of it is closed. */
static int make_device(int file, long size)
{
	struct loop_config config = {.fd = file, .block_size = 4096, .info = {.lo_flags = LO_FLAGS_AUTOCLEAR}};
	char path[64];
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (control < 0 || ftruncate(file, size))
		die("/dev/loop-control");
	for (int attempt = 0; attempt < 20; attempt++) { /* somebody else may take the one that was free */
		int n = ioctl(control, LOOP_CTL_GET_FREE);
		snprintf(path, sizeof(path), "/dev/loop%d", n);
		int device = n < 0 ? -1 : open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
		if (device < 0)
			die(path);
		if (!ioctl(device, LOOP_CONFIGURE, &config)) {
			close(control);
			return device;
		}
		if (errno != EBUSY)
			die("LOOP_CONFIGURE");
		close(device);
	}
	die("no free loop device");
}

int main(int argc, char **argv)
{
	static char bytes[65536] __attribute__((aligned(4096)));
	char path[512];
	struct stat s;

	if (argc != 5)
		usage(USAGE);
	long writes = number(argv[2], USAGE), reads = number(argv[3], USAGE), size = number(argv[4], USAGE);
	if (size % 4096 || size > (long)sizeof(bytes) || !size)
		usage(USAGE);
	snprintf(path, sizeof(path), "%s/loop-%d", argv[1], getpid());
	int file = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (file < 0 || unlink(path))
		die(path);
	long most = writes > reads ? writes : reads;
	int device = make_device(file, (most ? most : 1) * size);
	if (fstat(device, &s))
		die("fstat");
	struct counts before = kernel_counts(s.st_rdev);
	ready();
	for (long i = 0; i < writes; i++)
		if (pwrite(device, bytes, size, i * size) != size)
			die("pwrite");
	for (long i = 0; i < reads; i++)
		if (pread(device, bytes, size, i * size) != size)
			die("pread");
	struct counts after = kernel_counts(s.st_rdev);
	out("{\"pid\": %d, \"major\": %u, \"minor\": %u, \"writes\": %ld, \"reads\": %ld, \"size\": %ld, ", getpid(), major(s.st_rdev),
	    minor(s.st_rdev), writes, reads, size);
	out("\"kernel\": {\"reads\": %llu, \"read_bytes\": %llu, \"writes\": %llu, \"written_bytes\": %llu}}", after.reads - before.reads,
	    512 * (after.read_sectors - before.read_sectors), after.writes - before.writes,
	    512 * (after.written_sectors - before.written_sectors));
	finish();
	return 0;
}

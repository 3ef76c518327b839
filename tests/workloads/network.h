/* A network namespace of one's own, and what the kernel counted in it. */
#ifndef NETWORK_H
#define NETWORK_H

#include "workload.h"
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

struct traffic {
	unsigned long long rx_bytes, rx_packets, tx_bytes, tx_packets;
};

/* Enters a new network namespace, in which lo is up. */
static inline void own_namespace(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	if (unshare(CLONE_NEWNET))
		die("unshare");
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
		die("lo");
	close(fd);
}

static inline unsigned long long namespace_inode(void)
{
	struct stat s;

	if (stat("/proc/self/ns/net", &s))
		die("/proc/self/ns/net");
	return s.st_ino;
}

static inline void read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n, length = 0;

	if (fd < 0)
		die(path);
	while ((n = read(fd, text + length, size - 1 - length)) > 0)
		length += n;
	text[length] = 0;
	close(fd);
}

/* lo's counters, from /proc/net/dev. */
static inline struct traffic loopback_traffic(void)
{
	char text[8192];
	struct traffic t = {0};

	read_text("/proc/net/dev", text, sizeof(text));
	char *lo = strstr(text, "lo:");
	if (!lo || sscanf(lo, "lo: %llu %llu %*u %*u %*u %*u %*u %*u %llu %llu", &t.rx_bytes, &t.rx_packets, &t.tx_bytes,
			  &t.tx_packets) != 4)
		die("/proc/net/dev");
	return t;
}

static inline void out_traffic(struct traffic before, struct traffic after)
{
	out("\"netns\": %llu, \"lo\": {\"rx_bytes\": %llu, \"rx_packets\": %llu, \"tx_bytes\": %llu, \"tx_packets\": %llu}",
	    namespace_inode(), after.rx_bytes - before.rx_bytes, after.rx_packets - before.rx_packets,
	    after.tx_bytes - before.tx_bytes, after.tx_packets - before.tx_packets);
}

#endif

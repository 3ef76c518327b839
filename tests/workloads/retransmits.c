/* TCP segments that are lost and sent again: `retransmits N`. In a network namespace of its own one connection is made, the
 * server's socket is told to drop what arrives, and the client sends a byte, until the kernel has counted at least N
 * retransmissions there (/proc/net/snmp, RetransSegs); then the byte is let through. What was counted before the byte was sent is
 * left out: on a busy machine the connection itself may take more than one try. */
#include "network.h"
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>

#define USAGE "retransmits N"

/* The kernel's count of retransmitted segments in this namespace. */
static long retransmitted(void)
{
	char text[8192], *names, *values, *name, *value, *save1, *save2;

	read_text("/proc/net/snmp", text, sizeof(text));
	names = strstr(text, "\nTcp: ");
	values = names ? strstr(names + 1, "\nTcp: ") : NULL;
	if (!values)
		die("/proc/net/snmp");
	*values = 0;
	name = strtok_r(names + 6, " ", &save1);
	for (value = strtok_r(values + 6, " \n", &save2); name && value; value = strtok_r(NULL, " \n", &save2)) {
		if (!strcmp(name, "RetransSegs"))
			return atol(value);
		name = strtok_r(NULL, " ", &save1);
	}
	die("RetransSegs");
}

int main(int argc, char **argv)
{
	struct sock_filter drop_all[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog program = {.len = 1, .filter = drop_all};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}}, own;
	socklen_t length = sizeof(address);
	char c = 'x';
	int unused = 0, unconfirmed = 1;

	if (argc != 2)
		usage(USAGE);
	long wanted = number(argv[1], USAGE);
	own_namespace();
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &length) || connect(client, (struct sockaddr *)&address, length) ||
	    getsockname(client, (struct sockaddr *)&own, &length))
		die("connect");
	int server = accept(listener, NULL, NULL);
	ready();
	long before = retransmitted();
	if (setsockopt(server, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) || send(client, &c, 1, 0) != 1)
		die("send");
	while (retransmitted() - before < wanted)
		poll(NULL, 0, 1); /* the condition is the kernel's count; nothing signals its change */
	if (setsockopt(server, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) || recv(server, &c, 1, 0) != 1)
		die("recv");
	while (unconfirmed) { /* or it is sent again after it was counted */
		if (ioctl(client, SIOCOUTQ, &unconfirmed))
			die("SIOCOUTQ");
		poll(NULL, 0, 1);
	}
	out("{\"pid\": %d, \"client_port\": %d, \"server_port\": %d, \"netns\": %llu, \"retransmits\": %ld}", getpid(),
	    ntohs(own.sin_port), ntohs(address.sin_port), namespace_inode(), retransmitted() - before);
	finish();
	return 0;
}

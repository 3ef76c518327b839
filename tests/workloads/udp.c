/* UDP over loopback, in a network namespace of its own: `udp FAMILY DATAGRAMS SIZE` sends DATAGRAMS datagrams of SIZE bytes and
 * receives each before the next is sent. FAMILY is 4 or 6. */
#include "network.h"
#include <netinet/in.h>

#define USAGE "udp 4|6 DATAGRAMS SIZE"

static char bytes[65536];

int main(int argc, char **argv)
{
	struct sockaddr_in6 address6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	struct sockaddr_in address4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};

	if (argc != 4)
		usage(USAGE);
	int v6 = number(argv[1], USAGE) == 6;
	long datagrams = number(argv[2], USAGE), size = number(argv[3], USAGE);
	if (size > 60000)
		usage(USAGE);
	struct sockaddr *address = v6 ? (struct sockaddr *)&address6 : (struct sockaddr *)&address4;
	socklen_t length = v6 ? sizeof(address6) : sizeof(address4);

	own_namespace();
	int receiver = socket(address->sa_family, SOCK_DGRAM, 0), sender = socket(address->sa_family, SOCK_DGRAM, 0);
	if (receiver < 0 || sender < 0 || bind(receiver, address, length) || getsockname(receiver, address, &length))
		die("socket");
	struct traffic before = loopback_traffic();
	ready();
	for (long i = 0; i < datagrams; i++)
		if (sendto(sender, bytes, size, 0, address, length) != size || recv(receiver, bytes, sizeof(bytes), 0) != size)
			die("datagram");
	out("{\"pid\": %d, \"datagrams\": %ld, \"size\": %ld, \"port\": %d, ", getpid(), datagrams, size,
	    ntohs(v6 ? address6.sin6_port : address4.sin_port));
	out_traffic(before, loopback_traffic());
	out("}");
	finish();
	return 0;
}

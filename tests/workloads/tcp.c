/* TCP over loopback: `tcp FAMILY CONNECTIONS SENT RECEIVED [netns]` makes CONNECTIONS connections one after the other; on each
 * the client (this process) sends SENT bytes, the server (its child) RECEIVED bytes, and the client closes first. FAMILY is 4 or
 * 6. With `netns` all of it happens in a network namespace of its own, where lo's counters are exact. */
#include "network.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/wait.h>

#define USAGE "tcp 4|6 CONNECTIONS SENT RECEIVED [netns]"
#define MOST 5000

static char bytes[65536];
static int ports[MOST];

static void send_bytes(int fd, long n)
{
	while (n > 0) {
		ssize_t done = send(fd, bytes, n < (long)sizeof(bytes) ? n : (long)sizeof(bytes), MSG_NOSIGNAL);
		if (done <= 0)
			die("send");
		n -= done;
	}
}

static void receive_bytes(int fd, long n)
{
	while (n > 0) {
		ssize_t done = recv(fd, bytes, n < (long)sizeof(bytes) ? n : (long)sizeof(bytes), 0);
		if (done <= 0)
			die("recv");
		n -= done;
	}
}

static void serve(int listener, long connections, long to_receive, long to_send)
{
	char c;

	for (long i = 0; i < connections; i++) {
		int fd = accept(listener, NULL, NULL);
		if (fd < 0)
			die("accept");
		receive_bytes(fd, to_receive);
		send_bytes(fd, to_send);
		if (recv(fd, &c, 1, 0) != 0) /* the client closes first */
			die("recv at the end");
		close(fd);
	}
}

/* Makes one connection; returns the client's port. */
static int connect_once(const struct sockaddr_storage *server, socklen_t length, long to_send, long to_receive)
{
	struct sockaddr_storage own;
	socklen_t own_length = sizeof(own);
	int fd = socket(server->ss_family, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)server, length))
		die("connect");
	if (getsockname(fd, (struct sockaddr *)&own, &own_length))
		die("getsockname");
	send_bytes(fd, to_send);
	receive_bytes(fd, to_receive);
	close(fd);
	return ntohs(((struct sockaddr_in *)&own)->sin_port); /* at the same place in sockaddr_in6 */
}

static socklen_t loopback_address(struct sockaddr_storage *address, int family)
{
	memset(address, 0, sizeof(*address));
	address->ss_family = family;
	if (family == AF_INET6) {
		((struct sockaddr_in6 *)address)->sin6_addr = in6addr_loopback;
		return sizeof(struct sockaddr_in6);
	}
	((struct sockaddr_in *)address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sizeof(struct sockaddr_in);
}

int main(int argc, char **argv)
{
	struct sockaddr_storage address;
	int status;

	if (argc < 5 || argc > 6 || (argc == 6 && strcmp(argv[5], "netns")))
		usage(USAGE);
	int family = number(argv[1], USAGE) == 6 ? AF_INET6 : AF_INET;
	long connections = number(argv[2], USAGE), sent = number(argv[3], USAGE), received = number(argv[4], USAGE);
	if (connections > MOST)
		usage(USAGE);
	if (argc == 6)
		own_namespace();

	socklen_t length = loopback_address(&address, family);
	int listener = socket(family, SOCK_STREAM, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) || listen(listener, 128) ||
	    getsockname(listener, (struct sockaddr *)&address, &length))
		die("listen");
	struct traffic before = loopback_traffic();
	pid_t server = fork();
	if (server < 0)
		die("fork");
	if (!server) {
		close(0); /* the handshake is the parent's */
		serve(listener, connections, sent, received);
		_exit(0);
	}
	close(listener);
	ready();
	for (long i = 0; i < connections; i++)
		ports[i] = connect_once(&address, length, sent, received);
	if (waitpid(server, &status, 0) != server || status)
		die("the server");
	out("{\"pid\": %d, \"server_pid\": %d, \"address\": \"%s\", \"server_port\": %d, \"sent\": %ld, \"received\": %ld, ", getpid(),
	    server, family == AF_INET6 ? "::1" : "127.0.0.1", ntohs(((struct sockaddr_in *)&address)->sin_port), sent, received);
	out_traffic(before, loopback_traffic());
	out(", \"client_ports\": [");
	for (long i = 0; i < connections; i++)
		out("%s%d", i ? ", " : "", ports[i]);
	out("]}");
	finish();
	return 0;
}

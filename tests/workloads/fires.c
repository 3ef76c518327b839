/* A program that is not position-independent, with the USDT probes of known.c: `fires N` fires known:several with 1 to N. */
#include "known.c"
#include "workload.h"

#define USAGE "fires N"

int main(int argc, char **argv)
{
	if (argc != 2)
		usage(USAGE);
	long fired = number(argv[1], USAGE);

	ready();
	for (int i = 1; i <= fired; i++)
		known_several(i);
	out("{\"fired\": %ld}", fired);
	finish();
	return 0;
}

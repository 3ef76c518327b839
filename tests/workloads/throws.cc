// C++ exceptions: `throws INT LONG OWN`, so many of type int, of long, and of a class of its own; all are caught, each by one handler.
// The result counts what was thrown.
extern "C" {
#include "workload.h"
}

#include <typeinfo>

#define USAGE "throws INT LONG OWN"

namespace own {
struct failure {
	int number;
};
}

/* A page that nobody has read yet is not in memory, and a tracer can't fetch it. */
static void make_present(const std::type_info &type)
{
	(void)*const_cast<const volatile char *>(type.name());
}

int main(int argc, char **argv)
{
	if (argc != 4)
		usage(USAGE);
	long ints = number(argv[1], USAGE), longs = number(argv[2], USAGE), others = number(argv[3], USAGE), caught = 0;

	make_present(typeid(int));
	make_present(typeid(long));
	make_present(typeid(own::failure));
	ready();
	for (long i = 0; i < ints + longs + others; i++) {
		try {
			if (i < ints)
				throw static_cast<int>(i);
			if (i < ints + longs)
				throw i;
			throw own::failure{1};
		} catch (...) {
			caught++;
		}
	}
	out("{\"thrown\": {\"i\": %ld, \"l\": %ld, \"N3own7failureE\": %ld}, \"caught\": %ld}", ints, longs, others, caught);
	finish();
	return 0;
}

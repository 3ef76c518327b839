/* A library with USDT probes of known arguments, called by the test's own process. Provider "known":
 *   numbers  (8 integers of 1, 2, 4 and 8 bytes, signed and unsigned, in registers), fired by known_numbers()
 *   places   (a constant, a number in memory, the address of a text), fired by known_places()
 *   several  (a number), at three places of the code, fired by known_several()
 *   guarded  (a number), fired by known_guarded() while its semaphore is not 0; the function returns the semaphore
 * The notes are what systemtap's <sys/sdt.h> makes, version 3: https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation */
#include <stdint.h>

#define NOTE(name, semaphore, arguments)                                                                                      \
	"990:	nop\n"                                                                                                       \
	"	.pushsection .note.stapsdt, \"\", \"note\"\n"                                                                \
	"	.balign 4\n"                                                                                                 \
	"	.4byte 992f - 991f, 994f - 993f, 3\n"                                                                        \
	"991:	.asciz \"stapsdt\"\n"                                                                                        \
	"992:	.balign 4\n"                                                                                                 \
	"993:	.8byte 990b, _.stapsdt.base, " semaphore "\n"                                                                \
	"	.asciz \"known\", \"" name "\", \"" arguments "\"\n"                                                         \
	"994:	.balign 4\n"                                                                                                 \
	"	.popsection\n"

__asm__(".pushsection .stapsdt.base, \"aG\", \"progbits\", .stapsdt.base, comdat\n"
	".weak _.stapsdt.base\n"
	".hidden _.stapsdt.base\n"
	"_.stapsdt.base: .space 1\n"
	".popsection\n");

__attribute__((section(".probes"), visibility("hidden"))) volatile unsigned short known_guarded_semaphore;

void known_numbers(int8_t a, uint8_t b, int16_t c, uint16_t d, int32_t e, uint32_t f, int64_t g, uint64_t h)
{
	__asm__ volatile(NOTE("numbers", "0", "-1@%0 1@%1 -2@%2 2@%3 -4@%4 4@%5 -8@%6 8@%7")
			 : : "r"(a), "r"(b), "r"(c), "r"(d), "r"(e), "r"(f), "r"(g), "r"(h));
}

void known_places(int32_t number, const char *text)
{
	struct {
		int32_t before, number;
	} volatile memory = {0, number};

	__asm__ volatile(NOTE("places", "0", "-4@%0 -4@4(%1) 8@%2") : : "n"(-7), "r"(&memory), "r"(text) : "memory");
}

void known_several(int32_t number)
{
	if (number < 10)
		__asm__ volatile(NOTE("several", "0", "-4@%0") : : "r"(number));
	else if (number < 20)
		__asm__ volatile(NOTE("several", "0", "-4@%0") : : "r"(number));
	else
		__asm__ volatile(NOTE("several", "0", "8@%0") : : "r"((int64_t)number));
}

int known_guarded(int32_t number)
{
	unsigned short wanted = known_guarded_semaphore;

	if (wanted)
		__asm__ volatile(NOTE("guarded", "known_guarded_semaphore", "-4@%0") : : "r"(number));
	return wanted;
}

__attribute__((noinline)) int known_one(int number)
{
	return number + 1;
}

__attribute__((noinline)) int known_two(int number)
{
	return number + 2;
}

int other(int number)
{
	return known_two(known_one(number));
}

/*
 * echo - writes its operands, a blank between each two, and a new line.
 */
#include <mini.h>

int
main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (i > 1 && mini_put(STDOUT, " ") != 0)
			return (1);
		if (mini_put(STDOUT, argv[i]) != 0)
			return (1);
	}
	return (mini_put(STDOUT, "\n") != 0);
}

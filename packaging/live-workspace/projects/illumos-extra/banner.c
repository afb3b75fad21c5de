/*
 * banner - writes its arguments with room around them.
 */
#include <mini.h>

int
main(int argc, char **argv)
{
	int i;
	long failed = mini_put(STDOUT, "\n  ");

	for (i = 1; i < argc && failed == 0; i++) {
		failed = mini_put(STDOUT, argv[i]);
		if (failed == 0)
			failed = mini_put(STDOUT, i + 1 < argc ? " " : "\n");
	}
	return (failed != 0 || mini_put(STDOUT, "\n") != 0);
}

/*
 * cat - writes its files (- or none: standard input), one after the other.
 */
#include <mini.h>

static int
one(const char *path)
{
	long file = path[0] == '-' && path[1] == '\0' ? STDIN : mini_open(path);

	if (file < 0 || mini_copy((int)file) != 0) {
		(void) mini_put(STDERR, "cat: cannot read ");
		(void) mini_put(STDERR, path);
		(void) mini_put(STDERR, "\n");
		return (2);
	}
	if (file != STDIN)
		(void) mini_close((int)file);
	return (0);
}

int
main(int argc, char **argv)
{
	int i, status = argc < 2 ? one("-") : 0;

	for (i = 1; i < argc; i++)
		if (one(argv[i]) != 0)
			status = 2;
	return (status);
}

/*
 * basename, dirname - the last part of a path, or what stands before it.
 */
#include <mini.h>

/* Where the last component of the first `length' characters starts. */
static size_t
last(const char *path, size_t length)
{
	while (length > 0 && path[length - 1] != '/')
		length--;
	return (length);
}

/* The length without slashes at the end; a single slash stays. */
static size_t
trimmed(const char *path, size_t length)
{
	while (length > 1 && path[length - 1] == '/')
		length--;
	return (length);
}

int
main(int argc, char **argv)
{
	const char *name, *path;
	size_t length, start;

	if (argc != 2) {
		(void) mini_put(STDERR, "usage: basename path\n");
		return (1);
	}
	name = argv[0] + last(argv[0], mini_length(argv[0]));
	path = argv[1];
	length = trimmed(path, mini_length(path));
	start = last(path, length);
	if (name[0] == 'd' && start == 0)
		path = ".", length = 1;
	else if (name[0] == 'd')
		length = trimmed(path, start);
	else if (start < length)
		path += start, length -= start;
	if (mini_write(STDOUT, path, length) != 0)
		return (1);
	return (mini_put(STDOUT, "\n") != 0);
}

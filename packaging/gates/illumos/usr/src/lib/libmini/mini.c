/*
 * mini.c - what programs that need little need.
 */
#include <mini.h>
#include <sys/syscall.h>

long mini_syscall(long, long, long, long);

size_t
mini_length(const char *text)
{
	size_t length = 0;

	while (text[length] != '\0')
		length++;
	return (length);
}

long
mini_read(int from, void *to, size_t size)
{
	return (mini_syscall(SYS_read, from, (long)to, (long)size));
}

long
mini_open(const char *path)
{
	return (mini_syscall(SYS_openat, (int)AT_FDCWD, (long)path, O_RDONLY));
}

long
mini_close(int descriptor)
{
	return (mini_syscall(SYS_close, descriptor, 0, 0));
}

long
mini_sync(void)
{
	return (mini_syscall(SYS_sync, 0, 0, 0));
}

long
mini_write(int to, const void *bytes, size_t size)
{
	const char *from = bytes;
	long count;

	while (size > 0) {
		count = mini_syscall(SYS_write, to, (long)from, (long)size);
		if (count < 0)
			return (count);
		from += count;
		size -= (size_t)count;
	}
	return (0);
}

long
mini_put(int to, const char *text)
{
	return (mini_write(to, text, mini_length(text)));
}

long
mini_copy(int from)
{
	char bytes[4096];
	long count, failed;

	while ((count = mini_read(from, bytes, sizeof (bytes))) > 0) {
		failed = mini_write(STDOUT, bytes, (size_t)count);
		if (failed != 0)
			return (failed);
	}
	return (count);
}

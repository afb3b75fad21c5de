/*
 * mini.h - what libmini gives to programs that need little.
 *
 * Calls into the system return a negative errno where they fail.
 */
#ifndef	_MINI_H
#define	_MINI_H

#include <stddef.h>

#define	STDIN		0
#define	STDOUT		1
#define	STDERR		2
#define	O_RDONLY	0

long mini_read(int, void *, size_t);
long mini_open(const char *);
long mini_close(int);
long mini_sync(void);

/* Writes all of it; 0, or a negative errno. */
long mini_write(int, const void *, size_t);
/* Writes a string. */
long mini_put(int, const char *);
/* Copies a descriptor to standard output, to its end. */
long mini_copy(int);

size_t mini_length(const char *);

#endif	/* _MINI_H */

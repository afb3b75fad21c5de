/*
 * unix.h - what the files of this kernel know of each other.
 *
 *	locore.S	the first instructions
 *	main.c		what was handed over, is it whole, what is in it
 *	console.c	characters on COM1, the way out
 *	sha1.c		SHA-1
 *	ufs.c		a UFS file system in memory, read only
 */
#ifndef	_UNIX_H
#define	_UNIX_H

#include <stddef.h>
#include <stdint.h>

/* console.c */
void console_init(void);
void put_char(char);
void put(const char *);
void put_number(uint32_t);
void put_hex(uint32_t);
void leave(uint8_t) __attribute__((noreturn));

/* sha1.c: forty lower-case digits and a NUL */
void sha1(const uint8_t *, size_t, char [41]);

/* ufs.c: each returns 0, or -1 where the bytes make no sense */
struct ufs {
	const uint8_t	*bytes;
	uint32_t	length;
	uint32_t	inodes_per_group;
	uint32_t	frags_per_group;
	uint32_t	groups;
	uint32_t	inode_at;
	uint32_t	offset;
	uint32_t	offset_mask;
};
int ufs_open(struct ufs *, const uint8_t *, uint32_t);
int ufs_lookup(const struct ufs *, const char *, uint32_t *);
/* copies at most `size' bytes from the start of a file; the count goes to `got' */
int ufs_read(const struct ufs *, uint32_t, char *, uint32_t, uint32_t *);
/* every name below the root that is no directory */
int ufs_count(const struct ufs *, uint32_t *);

#endif

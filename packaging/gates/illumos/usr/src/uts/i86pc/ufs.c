/*
 * ufs.c - a UFS file system in memory, read only: little endian, 8192/1024.
 *
 * Nothing in it is trusted: every address is held against the length, every directory entry
 * against its chunk, and the depth of directories is bounded.
 */
#include "unix.h"

#define	SUPERBLOCK	8192
#define	MAGIC		0x00011954
#define	BLOCK		8192
#define	FRAGMENT	1024
#define	POINTERS	2048
#define	DIRECT		12
#define	ROOT		2
#define	CHUNK		512
#define	DEPTH		64

#define	TYPE_MASK	0170000
#define	TYPE_DIRECTORY	0040000

static uint32_t
get16(const uint8_t *at)
{
	return ((uint32_t)at[0] | (uint32_t)at[1] << 8);
}

static uint32_t
get32(const uint8_t *at)
{
	return (get16(at) | get16(at + 2) << 16);
}

int
ufs_open(struct ufs *ufs, const uint8_t *bytes, uint32_t length)
{
	const uint8_t *super = bytes + SUPERBLOCK;

	if (length < SUPERBLOCK + 2048 || get32(super + 1372) != MAGIC ||
	    get32(super + 48) != BLOCK || get32(super + 52) != FRAGMENT)
		return (-1);
	ufs->bytes = bytes;
	ufs->length = length;
	ufs->inode_at = get32(super + 16);
	ufs->offset = get32(super + 24);
	ufs->offset_mask = get32(super + 28);
	ufs->groups = get32(super + 44);
	ufs->inodes_per_group = get32(super + 184);
	ufs->frags_per_group = get32(super + 188);
	return (ufs->inodes_per_group == 0 ? -1 : 0);
}

/* `size' bytes at fragment `frag', or NULL */
static const uint8_t *
at_frag(const struct ufs *ufs, uint32_t frag, uint32_t size)
{
	if (frag > ufs->length / FRAGMENT ||
	    ufs->length - frag * FRAGMENT < size)
		return (NULL);
	return (ufs->bytes + frag * FRAGMENT);
}

static const uint8_t *
inode(const struct ufs *ufs, uint32_t number)
{
	uint32_t group = number / ufs->inodes_per_group;
	uint32_t index = number % ufs->inodes_per_group;
	uint32_t start;
	const uint8_t *frag;

	if (number < ROOT || group >= ufs->groups)
		return (NULL);
	start = group * ufs->frags_per_group +
	    ufs->offset * (group & ~ufs->offset_mask);
	frag = at_frag(ufs, start + ufs->inode_at + index / 8, FRAGMENT);
	return (frag == NULL ? NULL : frag + index % 8 * 128);
}

/* the bytes of block `index' of a file of `size' bytes; how many there are goes to `count' */
static const uint8_t *
file_block(const struct ufs *ufs, const uint8_t *node, uint32_t index,
    uint32_t *count)
{
	uint32_t size = get32(node + 8);
	uint32_t address;
	const uint8_t *table;

	*count = size - index * BLOCK < BLOCK ? size - index * BLOCK : BLOCK;
	if (index < DIRECT)
		return (at_frag(ufs, get32(node + 40 + 4 * index), *count));
	index -= DIRECT;
	if (index < POINTERS) {
		address = get32(node + 88);
	} else {
		index -= POINTERS;
		table = at_frag(ufs, get32(node + 92), BLOCK);
		if (table == NULL || index / POINTERS >= POINTERS)
			return (NULL);
		address = get32(table + 4 * (index / POINTERS));
	}
	table = at_frag(ufs, address, BLOCK);
	if (table == NULL)
		return (NULL);
	return (at_frag(ufs, get32(table + 4 * (index % POINTERS)), *count));
}

static int
is_directory(const uint8_t *node)
{
	return (node != NULL && (get16(node) & TYPE_MASK) == TYPE_DIRECTORY);
}

/* The entry at *at of a block of a directory, and on to the next; NULL at the end. */
static const uint8_t *
next_entry(const uint8_t *block, uint32_t count, uint32_t *at, int *bad)
{
	const uint8_t *entry = block + *at;
	uint32_t length;

	if (*at + 8 > count)
		return (NULL);
	length = get16(entry + 4);
	if (length < 8 || length > CHUNK - *at % CHUNK ||
	    *at + length > count || get16(entry + 6) > length - 8) {
		*bad = 1;
		return (NULL);
	}
	*at += length;
	return (entry);
}

static int
same(const uint8_t *entry, const char *name, uint32_t length)
{
	uint32_t i;

	if (get32(entry) == 0 || get16(entry + 6) != length)
		return (0);
	for (i = 0; i < length; i++)
		if (entry[8 + i] != (uint8_t)name[i])
			return (0);
	return (1);
}

/* The inode called `name' in directory `node'; 0 when there is none. */
static uint32_t
find(const struct ufs *ufs, const uint8_t *node, const char *name,
    uint32_t length)
{
	uint32_t index, at, count, blocks;
	int bad = 0;
	const uint8_t *block, *entry;

	blocks = (get32(node + 8) + BLOCK - 1) / BLOCK;
	for (index = 0; index < blocks && !bad; index++) {
		block = file_block(ufs, node, index, &count);
		if (block == NULL)
			return (0);
		for (at = 0; (entry = next_entry(block, count, &at, &bad)) !=
		    NULL; )
			if (same(entry, name, length))
				return (get32(entry));
	}
	return (0);
}

int
ufs_lookup(const struct ufs *ufs, const char *path, uint32_t *number)
{
	uint32_t length;
	const uint8_t *node;

	*number = ROOT;
	while (*path != '\0') {
		for (length = 0; path[length] != '\0' && path[length] != '/'; )
			length++;
		node = inode(ufs, *number);
		if (!is_directory(node))
			return (-1);
		*number = find(ufs, node, path, length);
		if (*number == 0)
			return (-1);
		path += length;
		if (*path == '/')
			path++;
	}
	return (0);
}

int
ufs_read(const struct ufs *ufs, uint32_t number, char *to, uint32_t size,
    uint32_t *got)
{
	const uint8_t *node = inode(ufs, number);
	const uint8_t *block;
	uint32_t index, i, count, total;

	*got = 0;
	if (node == NULL)
		return (-1);
	total = get32(node + 8);
	for (index = 0; index * BLOCK < total && *got < size; index++) {
		block = file_block(ufs, node, index, &count);
		if (block == NULL)
			return (-1);
		for (i = 0; i < count && *got < size; i++)
			to[(*got)++] = (char)block[i];
	}
	return (0);
}

static int
count_below(const struct ufs *ufs, uint32_t number, int depth, uint32_t *files)
{
	const uint8_t *node = inode(ufs, number);
	const uint8_t *block, *entry;
	uint32_t index, at, count, blocks;
	int bad = 0;

	if (!is_directory(node) || depth > DEPTH)
		return (-1);
	blocks = (get32(node + 8) + BLOCK - 1) / BLOCK;
	for (index = 0; index < blocks; index++) {
		block = file_block(ufs, node, index, &count);
		if (block == NULL)
			return (-1);
		for (at = 0; (entry = next_entry(block, count, &at, &bad)) !=
		    NULL; ) {
			if (get32(entry) == 0 || same(entry, ".", 1) ||
			    same(entry, "..", 2))
				continue;
			if (!is_directory(inode(ufs, get32(entry))))
				(*files)++;
			else if (count_below(ufs, get32(entry), depth + 1,
			    files) != 0)
				return (-1);
		}
		if (bad)
			return (-1);
	}
	return (0);
}

int
ufs_count(const struct ufs *ufs, uint32_t *files)
{
	*files = 0;
	return (count_below(ufs, ROOT, 0, files));
}

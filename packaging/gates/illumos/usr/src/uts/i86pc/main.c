/*
 * main.c - what was handed over, is it whole, what is in it.
 *
 * Prints on COM1 the loader, the command line and the modules; holds the SHA-1 of the first
 * module (the boot archive) against the module whose arguments say type=hash; reads
 * etc/release from the archive and counts its files; and leaves with
 *
 *	16 (QEMU: 33)	all is well
 *	32 (QEMU: 65)	no boot archive, or it cannot be read
 *	48 (QEMU: 97)	the archive is not the one the hash was made of
 */
#include "unix.h"

#define	LOADER_MAGIC	0x2badb002

#define	HAS_CMDLINE	(1 << 2)
#define	HAS_MODULES	(1 << 3)
#define	HAS_LOADER	(1 << 9)

#define	EXIT_OK		16
#define	EXIT_ARCHIVE	32
#define	EXIT_HASH	48

struct multiboot {
	uint32_t	flags;
	uint32_t	mem_lower;
	uint32_t	mem_upper;
	uint32_t	boot_device;
	uint32_t	cmdline;
	uint32_t	mods_count;
	uint32_t	mods_addr;
	uint32_t	syms[4];
	uint32_t	mmap_length;
	uint32_t	mmap_addr;
	uint32_t	drives_length;
	uint32_t	drives_addr;
	uint32_t	config_table;
	uint32_t	boot_loader_name;
};

struct module {
	uint32_t	start;
	uint32_t	end;
	uint32_t	arguments;
	uint32_t	reserved;
};

static int
contains(const char *text, const char *word)
{
	size_t i;

	for (; *text != '\0'; text++) {
		for (i = 0; word[i] != '\0' && text[i] == word[i]; )
			i++;
		if (word[i] == '\0')
			return (1);
	}
	return (0);
}

static void
line(const char *name, const char *value)
{
	put(name);
	put(": ");
	put(value);
	put("\n");
}

static void
print_module(uint32_t index, const struct module *module)
{
	put("module ");
	put_number(index);
	put(": ");
	put((const char *)module->arguments);
	put(" at ");
	put_hex(module->start);
	put(", ");
	put_number(module->end - module->start);
	put(" bytes\n");
}

static void
check_hash(const struct module *archive, const struct module *hash)
{
	const uint8_t *want;
	char have[41];
	int i;

	sha1((const uint8_t *)archive->start, archive->end - archive->start,
	    have);
	line("boot_archive sha1", have);
	if (hash == NULL || hash->end - hash->start < 40) {
		line("boot_archive.hash", "absent, not checked");
		return;
	}
	want = (const uint8_t *)hash->start;
	for (i = 0; i < 40; i++) {
		if (want[i] != (uint8_t)have[i]) {
			line("boot_archive.hash", "WRONG");
			leave(EXIT_HASH);
		}
	}
	line("boot_archive.hash", "ok");
}

static void
print_release(const struct ufs *ufs)
{
	static char text[2048];
	uint32_t number, got, i;

	if (ufs_lookup(ufs, "etc/release", &number) != 0 ||
	    ufs_read(ufs, number, text, sizeof (text), &got) != 0) {
		line("etc/release", "absent");
		return;
	}
	put("etc/release:\n");
	for (i = 0; i < got; i++)
		put_char(text[i]);
	if (got > 0 && text[got - 1] != '\n')
		put("\n");
}

void
kmain(uint32_t magic, const struct multiboot *info)
{
	const struct module *modules, *hash = NULL;
	struct ufs ufs;
	uint32_t i, files;

	console_init();
	put("\nunix: sample kernel\n");
	if (magic != LOADER_MAGIC) {
		line("loader", "no multiboot loader");
		leave(EXIT_ARCHIVE);
	}
	if (info->flags & HAS_LOADER)
		line("loader", (const char *)info->boot_loader_name);
	if (info->flags & HAS_CMDLINE)
		line("command line", (const char *)info->cmdline);
	if (!(info->flags & HAS_MODULES) || info->mods_count == 0) {
		line("boot_archive", "absent");
		leave(EXIT_ARCHIVE);
	}
	modules = (const struct module *)info->mods_addr;
	for (i = 0; i < info->mods_count; i++) {
		print_module(i, &modules[i]);
		if (i > 0 && contains((const char *)modules[i].arguments,
		    "type=hash"))
			hash = &modules[i];
	}
	check_hash(&modules[0], hash);
	if (ufs_open(&ufs, (const uint8_t *)modules[0].start,
	    modules[0].end - modules[0].start) != 0 ||
	    ufs_count(&ufs, &files) != 0) {
		line("boot_archive", "no UFS file system, or a damaged one");
		leave(EXIT_ARCHIVE);
	}
	print_release(&ufs);
	put("boot_archive files: ");
	put_number(files);
	put("\nunix: done\n");
	leave(EXIT_OK);
}

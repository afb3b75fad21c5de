/*
 * locore.S - the multiboot header and the first instructions.
 *
 * The header asks for page-aligned modules and memory sizes (bits 0 and 1) and says by address
 * where to load this file (bit 16), as the illumos kernel's does: a multiboot 1 loader then
 * takes an ELF64 file without reading its ELF headers.
 */

#define	MAGIC	0x1badb002
#define	FLAGS	0x00010003

	.section .multiboot, "a"
	.balign	4
header:
	.long	MAGIC
	.long	FLAGS
	.long	-(MAGIC + FLAGS)
	.long	header			/* where this header goes */
	.long	load_start
	.long	load_end
	.long	bss_end
	.long	_start

	.text
	.globl	_start
_start:
	cli
	movl	$stack_top, %esp
	pushl	$0
	popfl
	pushl	%ebx			/* what the loader tells */
	pushl	%eax			/* the loader's magic */
	call	kmain
halt:
	cli
	hlt
	jmp	halt

	.bss
	.balign	16
stack:
	.skip	65536
stack_top:

	.section .note.GNU-stack, "", @progbits

/*
 * crt1.S - the start of a program that needs no library: main, then exit(2) (illumos, amd64).
 */
	.text
	.globl	_start
_start:
	xorl	%ebp, %ebp
	andq	$-16, %rsp
	call	main
	movl	%eax, %edi
	movl	$1, %eax
	syscall
	hlt

	.section .note.GNU-stack, "", @progbits

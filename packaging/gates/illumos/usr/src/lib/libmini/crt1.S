/*
 * crt1.S - the start of a program: main(argc, argv), then exit.
 */
#include <sys/syscall.h>

	.text
	.globl	_start
	.type	_start, @function
_start:
	xorl	%ebp, %ebp
	movl	(%rsp), %edi
	leaq	8(%rsp), %rsi
	andq	$-16, %rsp
	call	main
	movl	%eax, %edi
	movl	$SYS_exit, %eax
	syscall
	hlt
	.size	_start, . - _start

	.section .note.GNU-stack, "", @progbits

/*
 * syscall.S - long mini_syscall(number, a, b, c): a system call of illumos on amd64.
 *
 * The carry flag tells an error; the result is then errno, made negative here.
 */
	.text
	.globl	mini_syscall
	.type	mini_syscall, @function
mini_syscall:
	movq	%rdi, %rax
	movq	%rsi, %rdi
	movq	%rdx, %rsi
	movq	%rcx, %rdx
	clc
	syscall
	jae	done
	negq	%rax
done:
	ret
	.size	mini_syscall, . - mini_syscall

	.section .note.GNU-stack, "", @progbits

/*
 * syscall.h - the numbers of the calls libmini makes.
 */
#ifndef	_SYS_SYSCALL_H
#define	_SYS_SYSCALL_H

#define	SYS_exit	1
#define	SYS_read	3
#define	SYS_write	4
#define	SYS_close	6
#define	SYS_sync	36
#define	SYS_openat	68

/* openat: relative to the working directory */
#define	AT_FDCWD	0xffd19553

#endif	/* _SYS_SYSCALL_H */

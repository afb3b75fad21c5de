/*
 * tiny.h - exit statuses of the commands of all three gates.
 */
#ifndef	_TINY_H
#define	_TINY_H

#define	TINY_OK		0
#define	TINY_REFUSED	1

#endif

/*
 * sync - has everything written to the disks.
 */
#include <mini.h>

int
main(void)
{
	return (mini_sync() < 0);
}

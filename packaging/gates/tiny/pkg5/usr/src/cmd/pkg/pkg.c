/*
 * pkg - every image of the tiny distribution is up to date, for it cannot change.
 */
#include <tiny.h>

int
main(void)
{
	return (TINY_OK);
}

/*
 * distro_const - a distribution does not build itself from within.
 */
#include <tiny.h>

int
main(void)
{
	return (TINY_REFUSED);
}

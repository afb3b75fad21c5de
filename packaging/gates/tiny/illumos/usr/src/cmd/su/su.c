/*
 * su - there is nobody else to become here, so it always refuses.
 */
#include <tiny.h>

int
main(void)
{
	return (TINY_REFUSED);
}

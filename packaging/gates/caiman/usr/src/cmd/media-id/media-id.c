/*
 * media-id - writes the id of the set of media this system was started from.
 */
#include <mini.h>

int
main(void)
{
	long file = mini_open("/.volsetid");

	if (file < 0) {
		(void) mini_put(STDERR, "media-id: not started from a medium\n");
		return (1);
	}
	return (mini_copy((int)file) != 0);
}

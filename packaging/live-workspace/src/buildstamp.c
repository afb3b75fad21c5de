/*
 * buildstamp - writes the stamp of the image that runs.
 */
#include <mini.h>

int
main(void)
{
	long file = mini_open("/etc/joyent_buildstamp");

	if (file < 0 || mini_copy((int)file) != 0) {
		(void) mini_put(STDERR, "buildstamp: this is no live image\n");
		return (1);
	}
	return (mini_close((int)file) != 0);
}

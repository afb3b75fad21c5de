/*
 * image-version - writes the configuration of the image that is running: its format, its
 * publishers and where they are.
 */
#include <mini.h>

int
main(void)
{
	long file = mini_open("/var/pkg/pkg5.image");

	if (file < 0) {
		(void) mini_put(STDERR, "image-version: this is not an image\n");
		return (1);
	}
	return (mini_copy((int)file) != 0);
}

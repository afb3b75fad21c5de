/*
 * refuse - stands for every program that would change who one is: here nobody may.
 */
#include <mini.h>

int
main(int argc, char **argv)
{
	if (argc > 0)
		(void) mini_put(STDERR, argv[0]);
	(void) mini_put(STDERR, ": permission denied\n");
	return (1);
}

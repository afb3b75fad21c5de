/*
 * false - says no.
 */
int
main(void)
{
	return (1);
}

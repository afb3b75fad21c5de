/*
 * true - says yes.
 */
int
main(void)
{
	return (0);
}

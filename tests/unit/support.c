/*
 * What every unit test needs: the program's answer to "no memory", which in a test is an end at once.
 */
#include <stdlib.h>
#include "mem.h"

void
mem_exhausted(void)
{
	abort();
}

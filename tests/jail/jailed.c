// SPDX-License-Identifier: Apache-2.0
// A program for hull-jailer to run: it tells its process ID and arguments, and ends or waits.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EXIT_CODE 7

int main(int argc, char **argv)
{
	printf("pid %d\n", getpid());
	for (int i = 0; i < argc; i++)
		printf("argument %s\n", argv[i]);
	for (char **entry = environ; *entry; entry++)
		printf("environment %s\n", *entry);
	fflush(stdout);
	while (argc > 1 && !strcmp(argv[argc - 1], "wait"))
		pause();
	return EXIT_CODE;
}

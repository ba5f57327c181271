// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target over files, without a fuzzer: fuzz_NAME FILE-OR-FOLDER...
#include "base/cleanup.h"
#include "base/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

/* Seeds are small; a large one is a mistake. */
#define INPUT_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	int CLEANUP_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t CLEANUP_FREE *data = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > INPUT_MAX)
		goto fail;
	/* Of exact size, so that reading beyond the end shows under ASan. */
	data = malloc((size_t)st.st_size + !st.st_size);
	if (!data || io_read_full(fd, data, (size_t)st.st_size) < 0)
		goto fail;
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	return 1;
fail:
	fprintf(stderr, "%s: can't be read\n", path);
	return -1;
}

/* Return: the number of inputs run, or -1. */
static int replay(const char *path)
{
	struct dirent *entry;
	int count = 0;
	DIR *dir = opendir(path);

	if (!dir)
		return replay_file(path);
	while ((entry = readdir(dir))) {
		char file[4096];
		int r;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		r = replay(file);
		if (r < 0) {
			count = -1;
			break;
		}
		count += r;
	}
	closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	int total = 0;

	for (int i = 1; i < argc; i++) {
		int r = replay(argv[i]);

		if (r <= 0) {
			fprintf(stderr, "%s: no inputs\n", argv[i]);
			return 1;
		}
		total += r;
	}
	printf("%d inputs\n", total);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds every file of the folders named on the command line to the target. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	size_t n;
	long size;

	if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0) {
		perror(path);
		return -1;
	}
	rewind(f);
	/* an exact allocation, so that ASan sees one byte too far */
	data = malloc(size ? (size_t)size : 1);
	if (!data)
		abort();
	n = fread(data, 1, (size_t)size, f);
	fclose(f);
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 0;
}

static int replay_dir(const char *dir)
{
	DIR *d = opendir(dir);
	int files = 0;

	if (!d) {
		perror(dir);
		return -1;
	}
	for (struct dirent *e; (e = readdir(d));) {
		char path[4096];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
		    replay_file(path) == 0)
			files++;
	}
	closedir(d);
	return files;
}

int main(int argc, char **argv)
{
	int files = 0;

	for (int i = 1; i < argc; i++) {
		int n = replay_dir(argv[i]);

		if (n < 0)
			return 1;
		files += n;
	}
	printf("%d inputs replayed\n", files);
	return files ? 0 : 1;
}

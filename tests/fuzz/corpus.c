/*
 * corpus - runs a fuzz target over the files of a directory, without libFuzzer: an input that was a
 * fault once is looked at in every build.
 *
 * usage: fuzz_corpus_<target> DIRECTORY
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t size = 0, capacity = 0, n = 1;
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    while (n > 0) {
        if (size == capacity)
            data = realloc(data, capacity = capacity * 2 + 4096);
        n = fread(data + size, 1, capacity - size, file);
        size += n;
    }
    fclose(file);
    data = realloc(data, size > 0 ? size : 1); /* exact: sanitizers see a byte beyond */
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    int count = 0;
    if (dir == NULL) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        run(path);
        count++;
    }
    closedir(dir);
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}

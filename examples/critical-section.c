/* Work that must not fail, on the calling thread and without a pool: any failure inside is reported
 * with its name, its message and a traceback, and the process ends. */
#include <failfast.h>
#include <stdio.h>

static int copy_settings(ff_task *self, void *arg)
{
    const char *path = arg;
    char line[256];
    FILE *file = fopen(path, "r");
    int rc = 0;

    if (!file)
        return ff_fail(self, -errno, "cannot open %s", path);
    while (fgets(line, sizeof(line), file))
        fputs(line, stdout);
    if (ferror(file))
        rc = ff_fail(self, -EIO, "cannot read %s", path);
    fclose(file);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "Usage: critical-section FILE\n");
        return 2;
    }
    if (ff_critical("copy_settings", copy_settings, argv[1]) < 0)
        return 1; /* It did not run at all. Had it failed, we would not be here. */
    return fflush(stdout) == 0 ? 0 : 1;
}

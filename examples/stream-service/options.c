#include "options.h"

#include "console.h"

#include <errno.h>
#include <failfast.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY_MS 86400000

static const char help[] =
    "Usage: stream-service [options] [FILE|DIRECTORY]...\n"
    "\n"
    "Counts records (lines), words and bytes of text files, as a service that may be killed at\n"
    "any moment and resumes where it stopped. Without an argument it reads /usr/share/doc, or\n"
    "/usr/include where that does not exist.\n"
    "\n"
    "  --input PATH      one more file or directory\n"
    "  --checkpoint FILE keep the progress here, and resume from it\n"
    "  --consumers N     service tasks that read streams (4)\n"
    "  --workers N       threads that count words (as many as the process may use)\n"
    "  --batch N         most records in a batch (256)\n"
    "  --rate N          records per second (no limit)\n"
    "  --follow          after the last record stay, until SIGTERM\n"
    "  --liveness FILE   touch this file while every service task makes progress\n"
    "  --metrics-ms N    time between two lines of metrics (60000)\n"
    "  --health-ms N     time between two health checks (30000)\n"
    "  --refresh-ms N    time between two looks at the input files (10000)\n"
    "  --list            print the names of the files to read, a NUL behind each, and exit\n"
    "  --help, --version\n"
    "\n"
    "What can go wrong, on demand and once in the life of a checkpoint:\n"
    "  --poison N        the task of record N fails\n"
    "  --crash N         the task of record N writes through a null pointer\n"
    "  --leave N         consumer N returns as if its work were done\n"
    "\n"
    "Exit status: 0 after the last record or SIGTERM, 1 after a failure, 2 when it cannot start.\n";

enum kind { INPUT, TEXT, FLAG, NUMBER, PRINT };

/* One option: what its argument is, and the field of struct options that it sets. */
struct rule {
    const char *name;
    enum kind kind;
    size_t field;
    uint64_t least, most; /* Of a NUMBER. */
    const char *text;     /* Of a PRINT. */
};

#define FIELD(name) offsetof(struct options, name)

static const struct rule rules[] = {
    {"input", INPUT, 0, 0, 0, NULL},
    {"checkpoint", TEXT, FIELD(checkpoint_path), 0, 0, NULL},
    {"liveness", TEXT, FIELD(liveness_path), 0, 0, NULL},
    {"follow", FLAG, FIELD(follow), 0, 0, NULL},
    {"list", FLAG, FIELD(list), 0, 0, NULL},
    {"consumers", NUMBER, FIELD(consumers), 1, CONSUMERS_MAX, NULL},
    {"workers", NUMBER, FIELD(workers), 1, FF_WORKERS_MAX, NULL},
    {"batch", NUMBER, FIELD(batch), 1, 1000000, NULL},
    {"rate", NUMBER, FIELD(rate), 1, 1000000000, NULL},
    {"metrics-ms", NUMBER, FIELD(metrics_ms), 1, DAY_MS, NULL},
    {"health-ms", NUMBER, FIELD(health_ms), 1, DAY_MS, NULL},
    {"refresh-ms", NUMBER, FIELD(refresh_ms), 1, DAY_MS, NULL},
    {"poison", NUMBER, FIELD(mishaps[MISHAP_POISON]), 1, UINT64_MAX, NULL},
    {"crash", NUMBER, FIELD(mishaps[MISHAP_CRASH]), 1, UINT64_MAX, NULL},
    {"leave", NUMBER, FIELD(mishaps[MISHAP_LEAVE]), 1, CONSUMERS_MAX, NULL},
    {"help", PRINT, 0, 0, 0, help},
    {"version", PRINT, 0, 0, 0, "stream-service " FF_VERSION_STRING "\n"},
};

#define RULE_COUNT (sizeof(rules) / sizeof(rules[0]))

/* A decimal number and nothing else. */
static bool parse_number(const struct rule *rule, const char *text, uint64_t *ret_value)
{
    char *end;
    unsigned long long value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0)
        return false;
    if (value < rule->least || value > rule->most)
        return false;
    *ret_value = value;
    return true;
}

static enum options_next apply_number(const struct rule *rule, const char *text, uint64_t *field)
{
    if (parse_number(rule, text, field))
        return OPTIONS_RUN;
    console_error("--%s: \"%s\" is no number from %" PRIu64 " to %" PRIu64, rule->name, text,
                  rule->least, rule->most);
    return OPTIONS_EXIT_BAD;
}

static enum options_next print(const char *text)
{
    fputs(text, stdout);
    return fflush(stdout) == 0 ? OPTIONS_EXIT_OK : OPTIONS_EXIT_BAD;
}

/* What is true of the options together. */
static enum options_next check(const struct options *options)
{
    const uint64_t *mishaps = options->mishaps;
    bool any = mishaps[MISHAP_POISON] || mishaps[MISHAP_CRASH] || mishaps[MISHAP_LEAVE];

    if (any && !options->checkpoint_path) {
        console_error("--poison, --crash and --leave need --checkpoint, or they would happen at "
                      "every start");
        return OPTIONS_EXIT_BAD;
    }
    if (mishaps[MISHAP_LEAVE] > options->consumers) {
        console_error("--leave: there is no consumer %" PRIu64, mishaps[MISHAP_LEAVE]);
        return OPTIONS_EXIT_BAD;
    }
    return OPTIONS_RUN;
}

/* The inputs named behind the options join those of --input; the default stands in for none. */
static void complete_inputs(struct options *options, char **more)
{
    static char documents[] = "/usr/share/doc";
    static char headers[] = "/usr/include";

    while (*more)
        options->inputs[options->input_count++] = *more++;
    if (options->input_count == 0)
        options->inputs[options->input_count++] =
            access(documents, F_OK) == 0 ? documents : headers;
}

static enum options_next apply(const struct rule *rule, char *text, struct options *options)
{
    void *field = (char *)options + rule->field;

    switch (rule->kind) {
    case INPUT:
        options->inputs[options->input_count++] = text;
        break;
    case TEXT:
        *(const char **)field = text;
        break;
    case FLAG:
        *(bool *)field = true;
        break;
    case NUMBER:
        return apply_number(rule, text, field);
    case PRINT:
        return print(rule->text);
    }
    return OPTIONS_RUN;
}

static enum options_next parse(int argc, char **argv, struct options *options)
{
    struct option names[RULE_COUNT + 1] = {0};
    int index;

    for (size_t i = 0; i < RULE_COUNT; i++) {
        bool alone = rules[i].kind == FLAG || rules[i].kind == PRINT;

        names[i].name = rules[i].name;
        names[i].has_arg = alone ? no_argument : required_argument;
    }
    for (;;) {
        enum options_next next;
        int option = getopt_long(argc, argv, "", names, &index);

        if (option == -1)
            break;
        if (option == '?')
            return OPTIONS_EXIT_BAD; /* getopt has said why. */
        next = apply(&rules[index], optarg, options);
        if (next != OPTIONS_RUN)
            return next;
    }
    complete_inputs(options, argv + optind);
    return check(options);
}

enum options_next options_parse(int argc, char **argv, struct options *options)
{
    enum options_next next;

    *options = (struct options){
        .consumers = 4,
        .batch = 256,
        .metrics_ms = 60000,
        .health_ms = 30000,
        .refresh_ms = 10000,
    };
    /* Room for every argument, or for the default, and the NULL. */
    options->inputs = calloc((size_t)argc + 2, sizeof(*options->inputs));
    if (!options->inputs) {
        console_error("%s", strerror(ENOMEM));
        return OPTIONS_EXIT_BAD;
    }
    next = parse(argc, argv, options);
    if (next != OPTIONS_RUN)
        options_done(options);
    return next;
}

void options_done(struct options *options)
{
    free(options->inputs);
}

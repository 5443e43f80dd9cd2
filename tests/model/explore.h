/* A small exhaustive explorer: every interleaving of a few threads, and every moment at which a
 * store buffer may drain (total store order, as on x86-64). A model is a state of fixed size, which
 * starts with its memory, and a step function. The same state reached twice is looked at once.
 *
 * What it shows: no interleaving of the model breaks the property. What it does not: orders weaker
 * than total store order, which lib/sync/README.md argues from the C11 orders. */
#ifndef FF_TESTS_EXPLORE_H
#define FF_TESTS_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_VARS 24
#define MEMORY_THREADS 4
#define MEMORY_BUFFER 4

/* Shared variables, and each thread's stores that are not yet visible to the others. */
struct memory {
    int8_t value[MEMORY_VARS];
    uint8_t buffered[MEMORY_THREADS];
    struct {
        uint8_t var;
        int8_t value;
    } buffer[MEMORY_THREADS][MEMORY_BUFFER];
};

enum step_result {
    STEP_TAKEN,   /* One atomic step; the thread may have more. */
    STEP_BLOCKED, /* The thread waits for others; the state is unchanged. */
};

struct model {
    size_t state_bytes; /* Of a state; the first member is its struct memory. */
    unsigned threads;
    enum step_result (*step)(void *state, unsigned thread);
    /* What is wrong with the state, or NULL. stuck: no thread can step and every buffer is empty,
     * which is how a run ends. */
    const char *(*bad)(const void *state, bool stuck);
};

struct exploration {
    size_t states;
    const char *bad; /* NULL: nothing is wrong in any run. */
};

/* Explores all runs from the initial state. Ends at the first bad state. The test fails when there
 * is no memory for the states. */
struct exploration explore(const struct model *model, const void *initial);

/* Memory operations for step functions. A load sees the thread's own buffered stores. */
int memory_load(const struct memory *memory, unsigned thread, unsigned var);
/* A plain store: into the buffer. False when that is full: the step is STEP_BLOCKED. */
bool memory_store(struct memory *memory, unsigned thread, unsigned var, int value);
/* True when the thread's buffer is empty, as a sequentially consistent store or a read-modify-write
 * needs it; otherwise the step is STEP_BLOCKED until it has drained. Then memory->value may be read
 * and written directly. */
bool memory_fenced(const struct memory *memory, unsigned thread);

#endif

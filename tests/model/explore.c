/* The explorer: breadth first, so that a bad state is found by a short run, over a hash set of
 * states that lie one after the other in a growing array. */
#include "explore.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct search {
    const struct model *model;
    unsigned char *states;
    size_t count, capacity;
    uint32_t *table; /* Number of a state + 1, or 0; at most half full. */
    size_t table_mask;
};

int memory_load(const struct memory *memory, unsigned thread, unsigned var)
{
    for (unsigned i = memory->buffered[thread]; i > 0; i--)
        if (memory->buffer[thread][i - 1].var == var)
            return memory->buffer[thread][i - 1].value;
    return memory->value[var];
}

bool memory_store(struct memory *memory, unsigned thread, unsigned var, int value)
{
    unsigned i = memory->buffered[thread];

    if (i == MEMORY_BUFFER)
        return false;
    memory->buffer[thread][i].var = (uint8_t)var;
    memory->buffer[thread][i].value = (int8_t)value;
    memory->buffered[thread]++;
    return true;
}

bool memory_fenced(const struct memory *memory, unsigned thread)
{
    return memory->buffered[thread] == 0;
}

/* The oldest store of the thread becomes visible. Unused places are zero, so that equal states have
 * equal bytes. */
static bool memory_drain(struct memory *memory, unsigned thread)
{
    unsigned left;

    if (memory->buffered[thread] == 0)
        return false;
    memory->value[memory->buffer[thread][0].var] = memory->buffer[thread][0].value;
    left = --memory->buffered[thread];
    for (unsigned i = 0; i < left; i++)
        memory->buffer[thread][i] = memory->buffer[thread][i + 1];
    memory->buffer[thread][left].var = 0;
    memory->buffer[thread][left].value = 0;
    return true;
}

static size_t bytes_hash(const unsigned char *bytes, size_t count)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < count; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return (size_t)(hash ^ hash >> 32);
}

static unsigned char *state_at(const struct search *search, size_t i)
{
    return search->states + i * search->model->state_bytes;
}

/* The place of the state in the table: its own, or the free one where it belongs. */
static uint32_t *table_place(const struct search *search, const unsigned char *state)
{
    size_t bytes = search->model->state_bytes;
    size_t i = bytes_hash(state, bytes) & search->table_mask;

    while (search->table[i] != 0 && memcmp(state_at(search, search->table[i] - 1), state, bytes))
        i = (i + 1) & search->table_mask;
    return &search->table[i];
}

static void search_grow(struct search *search)
{
    search->capacity = search->capacity ? search->capacity * 2 : 4096;
    search->table_mask = search->capacity * 2 - 1;
    search->states = realloc(search->states, search->capacity * search->model->state_bytes);
    free(search->table);
    search->table = calloc(search->table_mask + 1, sizeof *search->table);
    ck_assert_msg(search->states && search->table, "no memory for the states of the model");
    for (size_t i = 0; i < search->count; i++)
        *table_place(search, state_at(search, i)) = (uint32_t)i + 1;
}

static void search_add(struct search *search, const unsigned char *state)
{
    uint32_t *place;

    if (search->count == search->capacity)
        search_grow(search);
    place = table_place(search, state);
    if (*place != 0)
        return;
    memcpy(state_at(search, search->count), state, search->model->state_bytes);
    *place = (uint32_t)++search->count;
}

/* Adds all states one step away. @return whether there is one: else the state is stuck. */
static bool search_follow(struct search *search, size_t i, unsigned char *next)
{
    const struct model *model = search->model;
    bool moved = false;

    for (unsigned thread = 0; thread < model->threads; thread++) {
        memcpy(next, state_at(search, i), model->state_bytes);
        if (memory_drain((struct memory *)(void *)next, thread)) {
            search_add(search, next);
            moved = true;
            memcpy(next, state_at(search, i), model->state_bytes);
        }
        if (model->step(next, thread) == STEP_TAKEN) {
            search_add(search, next);
            moved = true;
        }
    }
    return moved;
}

struct exploration explore(const struct model *model, const void *initial)
{
    struct search search = {.model = model};
    struct exploration result = {0, NULL};
    unsigned char *next = malloc(model->state_bytes);

    ck_assert_ptr_nonnull(next);
    search_add(&search, initial);
    for (size_t i = 0; i < search.count && !result.bad; i++) {
        bool stuck = !search_follow(&search, i, next);

        result.bad = model->bad(state_at(&search, i), stuck);
    }
    result.states = search.count;
    free(next);
    free(search.states);
    free(search.table);
    return result;
}

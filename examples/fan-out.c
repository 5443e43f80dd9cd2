/* A request that needs two answers, fetched at the same time. If one fetch fails, the other is
 * cancelled, and the request gets the error: it has an owner, so the process lives on. */
#include <failfast.h>
#include <stdio.h>
#include <string.h>

struct request {
    const char *user;
    char name[32];
    unsigned cart_items;
};

static int load_user(ff_task *self, void *arg)
{
    struct request *request = arg;

    if (strcmp(request->user, "nobody") == 0)
        return ff_fail(self, -ENOENT, "no user \"%s\"", request->user);
    snprintf(request->name, sizeof request->name, "Dear %s", request->user);
    return 0;
}

static int load_cart(ff_task *self, void *arg)
{
    struct request *request = arg;

    /* A slow peer. The sleep ends at once when load_user() fails. */
    if (ff_sleep(self, 20 * FF_MILLISECOND) == FF_CANCELED)
        return FF_CANCELED;
    request->cart_items = 3;
    return 0;
}

static int handle_request(ff_task *self, void *arg)
{
    struct request *request = arg;
    ff_group *group;
    int rc = ff_group_new(self, NULL, &group);

    if (rc < 0)
        return rc;
    rc = ff_group_spawn(group, "load_user", load_user, request);
    if (rc == 0)
        rc = ff_group_spawn(group, "load_cart", load_cart, request);
    if (rc < 0)
        ff_group_cancel(group);
    int failed = ff_group_wait(group); /* All children are finished here. */
    if (rc == 0 || failed != FF_CANCELED)
        rc = failed;
    if (rc == 0)
        printf("%s, %u items\n", request->name, request->cart_items);
    else if (ff_group_failure(group, 0))
        printf("request failed: %s\n", ff_failure_message(ff_group_failure(group, 0)));
    ff_group_free(group);
    return 0; /* The error was the request's; the service goes on. */
}

int main(void)
{
    static struct request good = {.user = "Ada"}, bad = {.user = "nobody"};
    ff_pool *pool;

    if (ff_pool_new(NULL, &pool) < 0)
        return 1;
    if (ff_spawn(pool, "request 1", handle_request, &good) < 0 ||
        ff_spawn(pool, "request 2", handle_request, &bad) < 0)
        return 1;
    if (ff_pool_shutdown(pool, FF_DRAIN, FF_NEVER) < 0)
        return 1;
    return ff_pool_free(pool) < 0;
}

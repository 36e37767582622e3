/* Scenarios of blocking jobs, names, and connections to hosts for test_faults.c. What the C library does
 * inside getaddrinfo(3) does not fail here: the wraps do not reach it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "faults.h"

#include <bide/host.h>
#include <bide/pool.h>

static bide_ssize add_one(void *arg)
{
    (*(int *)arg)++;
    return 7;
}

static int run_jobs(void)
{
    int runs = 0, error = 0;
    bide_job jobs[3];
    bide_pool_set_idle(BIDE_SECONDS(1));
    for (int i = 0; i < 3 && !error; i++) {
        bide_job_init(&jobs[i], add_one, &runs);
        error = bide_await(&jobs[i].future, bide_after(PATIENCE));
        if (!error) error = expect_count(jobs[i].result, 7);
    }
    if (!error) error = expect_count(bide_job_run(add_one, &runs, bide_after(PATIENCE)), 7);
    if (!error && runs != 4) error = WRONG;
    end_of_faults();
    return error;
}

/* Which of the two the record becomes is up to the threads; it is freed once in any case. */
static int run_detachable_job(void)
{
    struct counter counter = {0};
    bide_job job;
    int *record;
    SCENE(record = calloc(1, sizeof *record));
    bide_job_init_detachable(&job, add_one, record, free);
    int answer = poll_with(&job.future, counting(&counter));
    int error = bide_pool_set_limit(2);
    if (answer == BIDE_PENDING) answer = cancel_with(&job.future, counting(&counter));
    if (!error && answer != BIDE_READY && answer != BIDE_COMPLETED) error = WRONG;
    bool cancelled = job.result == BIDE_ECANCELED;
    if (!error && !cancelled && job.result < 0) error = (int)job.result;
    if (!cancelled) free(record);
    end_of_faults();
    return error;
}

static int run_resolve(void)
{
    bide_addresses found, numeric = {0};
    int error = bide_resolve(&found, "localhost", 80, bide_after(PATIENCE));
    if (error && found.at) error = WRONG;
    if (!error) error = bide_resolve(&numeric, "192.0.2.1", 80, bide_after(PATIENCE));
    bide_addresses_free(&found);
    bide_addresses_free(&numeric);
    end_of_faults();
    return error;
}

static int run_resolving(void)
{
    bide_resolving byport, byservice;
    bide_resolving_init(&byport, "localhost", 80, BIDE_FAMILY_IPV4);
    bide_resolving_init_service(&byservice, "127.0.0.1", "80", BIDE_FAMILY_NONE);
    bide_future *both[] = {&byport.future, &byservice.future};
    int error = bide_join(both, 2, bide_after(PATIENCE));
    if (!error) error = byport.result;
    if (!error) error = byservice.result;
    end_of_faults();
    bide_addresses_free(&byport.addresses);
    bide_addresses_free(&byservice.addresses);
    return error;
}

static bide_async *scene_listener(uint16_t *port)
{
    bide_async *listener;
    SCENE({
        bide_address where = bide_address_loopback(0);
        if (bide_tcp_listen(&listener, &where, 0) != 0 || bide_async_local_address(listener, &where) != 0)
            abort();
        *port = bide_address_port(&where);
    });
    return listener;
}

static int run_connect_host(void)
{
    uint16_t port;
    char text[BIDE_CONNECT_REPORT_TEXT_MAX];
    bide_connect_report report;
    bide_async *listener = scene_listener(&port), *conn = NULL;
    int error = bide_tcp_connect_host(&conn, "127.0.0.1", port, bide_after(PATIENCE), &report);
    if (error && conn) error = WRONG;
    if (report.result != error || bide_connect_report_format(&report, text, sizeof text) <= 0) error = WRONG;
    (void)bide_async_free(conn);
    conn = NULL;
    if (!error) error = bide_tcp_connect_host(&conn, "localhost", port, bide_after(PATIENCE), NULL);
    if (error && conn) error = WRONG;
    end_of_faults();
    (void)bide_async_free(conn);
    (void)bide_async_free(listener);
    return error;
}

static int run_connect_host_in_the_background(void)
{
    uint16_t port;
    bide_host_connecting connecting;
    bide_async *listener = scene_listener(&port);
    bide_tcp_host_connecting_init(&connecting, "localhost", port, NULL);
    bide_host_connecting_set_delay(&connecting, BIDE_MILLISECONDS(100));
    int error = poll_to_the_end(&connecting.future);
    if (!error) error = connecting.result;
    end_of_faults();
    (void)bide_async_free(connecting.conn);
    (void)bide_async_free(listener);
    return error;
}

const struct scenario scenarios_of_names[] = {
    {"jobs", "job_init job_run pool_set_idle", run_jobs},
    {"a detachable job", "job_init_detachable pool_set_limit", run_detachable_job},
    {"resolve", "resolve addresses_free", run_resolve},
    {"look-ups as futures", "resolving_init resolving_init_service", run_resolving},
    {"connect to a host", "tcp_connect_host connect_report_format", run_connect_host},
    {"a connect to a host polled in the background", "tcp_host_connecting_init host_connecting_set_delay",
     run_connect_host_in_the_background},
    {NULL, NULL, NULL},
};

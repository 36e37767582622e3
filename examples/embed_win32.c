/* Bide beside a loop of window messages. Bide is driven in the background, by its thread "async-io", and what that wakes
 * is polled by the loop's thread: a waker posts a message, so that the loop sleeps in GetMessage() as ever and no window
 * ever waits for Bide. The message goes to a window, which nobody sees: those to a thread are lost in the loops that menus
 * and message boxes have of their own.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "common.h"

#include <stdatomic.h>
#include <stdio.h>
#include <windows.h>

static bide_address address;
static bide_duration period = BIDE_SECONDS(1);
static long count = 10;

static const struct example_option options[] = {
    {"--listen", EXAMPLE_ADDRESS, &address,
     "ADDRESS:PORT to listen on, port 0 is any free one (127.0.0.1:0)"},
    {"--period", EXAMPLE_DURATION, &period, "from alarm to alarm (1s)"},
    {"--count", EXAMPLE_COUNT, &count, "so many alarms (10)"},
};

static const struct example_program program = {
    .name = "embed_win32",
    .synopsis = "[--listen ADDRESS:PORT] [--period DURATION] [--count COUNT]",
    .about = "An alarm clock: Bide beside a loop of window messages. Who connects to its address, which is "
             "the first\n"
             "line it prints, is told how often there was an alarm. Exits with 0 after the last one.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

/* A message of ours. */
enum { WOKEN = WM_APP };

struct clock {
    HWND window;
    atomic_bool woken; /* such a message is on its way */
    int error;         /* that ended it */

    bide_set set; /* of what follows */
    bide_timer alarm;
    bide_set_member ringing;
    bide_async *listener;
    bide_incoming incoming;
    bide_set_member accepting;
    long rung;
};

/* Of any thread. One message at a time. If the queue, which has room for ten thousand, is full, the next wake tries again. */
static void wake(void *arg)
{
    struct clock *clock = arg;
    if (!atomic_exchange(&clock->woken, true) && !PostMessageW(clock->window, WOKEN, 0, 0))
        atomic_store(&clock->woken, false);
}

static int ring(struct clock *clock)
{
    int error = bide_timer_error(&clock->alarm);
    if (error) return error;
    (void)printf("alarm %ld\n", ++clock->rung);
    (void)fflush(stdout);
    if (clock->rung == count) PostQuitMessage(0);
    return bide_set_add(&clock->set, &clock->ringing, &clock->alarm.future, NULL);
}

static int tell_caller(struct clock *clock)
{
    if (clock->incoming.result == 0) {
        char line[64];
        int length = snprintf(line, sizeof line, "%ld alarms\n", clock->rung);
        /* A fresh connection has room for a line. */
        (void)bide_write(clock->incoming.conn, line, (size_t)length, BIDE_NOW);
        (void)bide_async_free(clock->incoming.conn);
    }
    return bide_set_add(&clock->set, &clock->accepting, &clock->incoming.future, NULL);
}

/* Polls what has woken. The set ends also when there is much to do, with a wake, so that windows have their turns. */
static int step(struct clock *clock)
{
    bide_context cx;
    bide_context_init(&cx, (bide_waker){wake, clock});
    atomic_store(&clock->woken, false);
    for (;;) {
        int state = bide_future_poll(&clock->set.future, &cx);
        if (state == BIDE_PENDING) return 0;
        if (state < 0) return state;
        int error = clock->set.result == &clock->ringing ? ring(clock) : tell_caller(clock);
        if (error) return error;
    }
}

static int begin(struct clock *clock)
{
    char text[EXAMPLE_TEXT];
    bide_set_init(&clock->set);
    bide_timer_interval(&clock->alarm, period);
    int error = bide_tcp_listen(&clock->listener, &address, 0);
    if (!error) error = bide_async_local_address(clock->listener, &address);
    if (error) return error;
    (void)printf("%s\n", example_address_text(text, &address));
    (void)fflush(stdout);
    bide_incoming_init(&clock->incoming, clock->listener);
    error = bide_set_add(&clock->set, &clock->accepting, &clock->incoming.future, NULL);
    return error ? error : bide_set_add(&clock->set, &clock->ringing, &clock->alarm.future, NULL);
}

static LRESULT CALLBACK on_message(HWND window, UINT message, WPARAM wide, LPARAM parameter)
{
    struct clock *clock = (struct clock *)GetWindowLongPtrW(window, GWLP_USERDATA);
    if (message != WOKEN || !clock) return DefWindowProcW(window, message, wide, parameter);
    clock->error = step(clock);
    if (clock->error) PostQuitMessage(0);
    return 0;
}

static int open_window(struct clock *clock)
{
    WNDCLASSW class = {.lpfnWndProc = on_message,
                       .hInstance = GetModuleHandleW(NULL),
                       .lpszClassName = L"bide-clock"};
    if (!RegisterClassW(&class)) return bide_last_error();
    clock->window = CreateWindowExW(0, class.lpszClassName, NULL, 0, 0, 0, 0, 0, HWND_MESSAGE, NULL,
                                    class.hInstance, NULL);
    if (!clock->window) return bide_last_error();
    (void)SetWindowLongPtrW(clock->window, GWLP_USERDATA, (LONG_PTR)clock);
    return 0;
}

/* The loop that every program with windows has. */
static int loop(struct clock *clock)
{
    MSG message;
    clock->error = step(clock);
    while (!clock->error && GetMessageW(&message, NULL, 0, 0) > 0) {
        (void)TranslateMessage(&message);
        (void)DispatchMessageW(&message);
    }
    return clock->error;
}

int main(int argc, char **argv)
{
    address = bide_address_loopback(0);
    example_arguments(&program, argc, argv);
    if (period <= 0) example_usage_error(&program, "must be longer than nothing", "--period");

    static struct clock clock;
    int error = open_window(&clock);
    if (!error) error = begin(&clock);
    if (!error) error = loop(&clock);
    (void)bide_set_remove(&clock.set, &clock.accepting);
    (void)bide_set_remove(&clock.set, &clock.ringing);
    (void)bide_async_free(clock.listener);
    if (clock.window) (void)DestroyWindow(clock.window);
    if (error) return example_fail(&program, "beside the loop", error);
    return example_end(EXAMPLE_OK);
}

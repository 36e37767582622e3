/* Signal handlers for faults: see fault.h.
 *
 * A fault that is passed on to the default action is not sent again: the handler returns with the default restored,
 * and the instruction faults once more, so that a core file shows it as it was. Only a signal that a process sent
 * (kill(2)) must be sent again.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/fault.h"

#include "os/mutex.h"
#include "os/pages.h"

#include <bide/error.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

/* Of an alternate stack, besides what the kernel puts there (3.5 KiB with AVX-512, 11 with AMX): the handler that was
 * there before may want to print. */
#define ROOM ((size_t)64 * 1024)

static const int signals[] = {SIGSEGV, SIGBUS};
#define SIGNALS (sizeof signals / sizeof *signals)

static _Atomic(void (*)(const void *)) told;

/* Written before the handler is installed. */
static struct sigaction before[SIGNALS];

static bide_os_mutex lock; /* guards the installing */
static bool installed;

static void restore_default(int number)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    (void)sigaction(number, &action, NULL);
}

static void pass_on(int number, siginfo_t *info, void *context)
{
    size_t which = number == signals[0] ? 0 : 1;
    const struct sigaction *action = &before[which];
    bool sent = info->si_code <= 0;
    if (action->sa_flags & SA_SIGINFO) {
        action->sa_sigaction(number, info, context);
    } else if (action->sa_handler == SIG_DFL || (action->sa_handler == SIG_IGN && !sent)) {
        /* The kernel has no ignoring of faults either. */
        restore_default(number);
        if (sent) (void)raise(number);
    } else if (action->sa_handler != SIG_IGN) {
        action->sa_handler(number);
    }
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    void (*function)(const void *) = atomic_load_explicit(&told, memory_order_acquire);
    if (info->si_code > 0 && function) function(info->si_addr);
    errno = saved;
    pass_on(number, info, context);
}

/* Lock held. */
static int install(void)
{
    for (size_t i = 0; i < SIGNALS; i++) {
        if (sigaction(signals[i], NULL, &before[i]) != 0) return bide_last_error();
        struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        /* Whoever it is passed on to finds the mask that it asked for. */
        action.sa_mask = before[i].sa_mask;
        if (sigaction(signals[i], &action, NULL) != 0) return bide_last_error();
    }
    return 0;
}

int bide_os_fault_watch(void (*function)(const void *address))
{
    bide_os_mutex_lock(&lock);
    /* release: what the function reads was written before */
    atomic_store_explicit(&told, function, memory_order_release);
    int error = installed ? 0 : install();
    installed = installed || !error;
    bide_os_mutex_unlock(&lock);
    return error;
}

static size_t length_of_stack(void)
{
    size_t page = bide_os_page_size();
#ifdef _SC_MINSIGSTKSZ
    /* The processor's registers grow. */
    long frames = sysconf(_SC_MINSIGSTKSZ);
#else
    long frames = MINSIGSTKSZ;
#endif
    return (ROOM + (frames > 0 ? (size_t)frames : 0) + page - 1) / page * page;
}

int bide_os_fault_stack_make(struct bide_os_fault_stack *stack)
{
    stack_t present;
    *stack = (struct bide_os_fault_stack){NULL, 0};
    if (sigaltstack(NULL, &present) == 0 && !(present.ss_flags & SS_DISABLE)) return 0;
    size_t length = length_of_stack();
    void *pages;
    int error = bide_os_pages_map(&pages, length);
    if (error) return error;
    stack_t ours = {.ss_sp = pages, .ss_size = length};
    if (sigaltstack(&ours, NULL) != 0) {
        bide_os_pages_unmap(pages, length);
        return BIDE_ENOMEM;
    }
    *stack = (struct bide_os_fault_stack){pages, length};
    return 0;
}

void bide_os_fault_stack_free(struct bide_os_fault_stack *stack)
{
    if (!stack->pages) return;
    stack_t present;
    stack_t none = {.ss_flags = SS_DISABLE};
    if (sigaltstack(NULL, &present) == 0 && present.ss_sp == stack->pages) (void)sigaltstack(&none, NULL);
    bide_os_pages_unmap(stack->pages, stack->length);
    stack->pages = NULL;
}

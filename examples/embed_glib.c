/* Bide inside GLib's main loop: one GSource with the reactor's descriptor and, as its ready time, the next
 * deadline.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "embed.h"

#include <glib-unix.h>
#include <glib.h>
#include <signal.h>

static const struct example_program program = {
    .name = "embed_glib",
    .synopsis = EMBED_SYNOPSIS,
    .about = "An alarm clock: Bide inside GLib's main loop.\n" EMBED_ABOUT,
    .options = embed_options,
    .option_count = 1,
};

static GMainLoop *loop;
static struct embed embed;

/* Any thread may do that. */
static void wake_loop(void)
{
    g_main_context_wakeup(g_main_loop_get_context(loop));
}

/* Before each sleep. Both clocks are the monotonic one; GLib's counts microseconds. */
static gboolean prepare(GSource *source, gint *timeout)
{
    *timeout = -1; /* as far as the ready time says nothing else */
    if (embed_woken(&embed)) return TRUE;
    /* Asked for anew each time: from now on the descriptor becomes readable when an earlier one is added. */
    bide_instant next = bide_reactor_next_deadline(embed.reactor);
    gint64 ready = -1;
    if (!bide_is_never(next)) ready = next.ns <= 0 ? 0 : next.ns / 1000 + (next.ns % 1000 != 0);
    g_source_set_ready_time(source, ready);
    return FALSE;
}

static gboolean dispatch(GSource *source, GSourceFunc function, gpointer data)
{
    (void)source, (void)function, (void)data;
    embed_turn(&embed);
    if (embed_woken(&embed)) embed_step(&embed);
    if (embed.done) g_main_loop_quit(loop);
    return G_SOURCE_CONTINUE;
}

/* The loop's own sources work as ever. */
static gboolean on_stop(gpointer data)
{
    (void)data;
    g_main_loop_quit(loop);
    return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
    /* Not const in older versions of GLib. */
    static GSourceFuncs functions = {.prepare = prepare, .dispatch = dispatch};

    loop = g_main_loop_new(NULL, FALSE);
    int error = embed_begin(&embed, &program, argc, argv, wake_loop);
    if (!error) {
        GSource *source = g_source_new(&functions, sizeof *source);
        (void)g_source_add_unix_fd(source, embed.fd, G_IO_IN);
        (void)g_source_attach(source, NULL);
        guint stops[] = {g_unix_signal_add(SIGTERM, on_stop, NULL), g_unix_signal_add(SIGINT, on_stop, NULL)};
        g_main_loop_run(loop);
        for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
            (void)g_source_remove(stops[i]);
        g_source_destroy(source);
        g_source_unref(source);
    }
    int status = embed_end(&embed, error);
    g_main_loop_unref(loop);
    return status;
}

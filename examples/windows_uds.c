/* A Unix socket on Windows, which has had streams at paths since Windows 10, 1803: one connection, both ends of it here.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "common.h"

#include <stdio.h>
#include <string.h>

static const char *path;

static const struct example_option argument = {"PATH", EXAMPLE_STRING, &path, ""};

/* Besides the usual codes: nothing is wrong with the program. */
enum { NOT_HERE = 77 };

static const struct example_program program = {
    .name = "windows_uds",
    .synopsis = "PATH",
    .about = "Listens at a path, connects to it, and sends a line there and back. Exits with 77 on a system "
             "that has\n"
             "no Unix sockets.\n",
    .argument = &argument,
};

/* Sends the line from one end, and returns the error of whatever went wrong on its way to the other. */
static int pass(bide_async *from, bide_async *to, char *line, size_t length)
{
    int error = bide_write_all(from, line, length, bide_after(BIDE_SECONDS(5)), NULL);
    return error ? error : bide_read_exact(to, line, length, bide_after(BIDE_SECONDS(5)), NULL);
}

static int talk(bide_async *listener, const bide_address *address)
{
    char line[] = "by a Unix socket";
    bide_async *client = NULL, *server = NULL;
    int error = bide_unix_connect(&client, address, bide_after(BIDE_SECONDS(5)));
    if (!error) error = bide_accept(listener, &server, NULL, bide_after(BIDE_SECONDS(5)));
    if (!error) error = pass(client, server, line, sizeof line);
    if (!error) error = pass(server, client, line, sizeof line);
    if (!error) (void)printf("%s, there and back\n", line);
    (void)bide_async_free(client);
    (void)bide_async_free(server);
    return error;
}

int main(int argc, char **argv)
{
    example_arguments(&program, argc, argv);

    bide_address address;
    int error = bide_address_unix(&address, path);
    if (error) return example_fail(&program, path, error);
    bide_async *listener;
    error = bide_unix_listen(&listener, &address, 0);
    if (error == BIDE_EAFNOSUPPORT) {
        (void)example_fail(&program, "this system has no Unix sockets", error);
        return NOT_HERE;
    }
    if (error) return example_fail(&program, path, error);
    error = talk(listener, &address);
    (void)bide_async_free(listener);
    (void)remove(path);
    if (error) return example_fail(&program, path, error);
    return example_end(EXAMPLE_OK);
}

/* Runs a program with a limit of time: the handle of its process is awaited as everything else is. `process` does the
 * same on other systems.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "common.h"

#include <bide/os/windows.h>

#include <stdio.h>
#include <string.h>
#include <windows.h>

static char **command;
static bide_duration timeout = BIDE_DURATION_MAX;

static const struct example_option argument = {"PROGRAM", EXAMPLE_COMMAND, &command, ""};
static const struct example_option options[] = {
    {"--timeout", EXAMPLE_DURATION, &timeout, "end it after this long, as in 500ms or 1.5s (never)"},
};

static const struct example_program program = {
    .name = "windows_process",
    .synopsis = "[--timeout DURATION] PROGRAM [ARGUMENT]...",
    .about = "Runs a program, whose output goes where this one's would. Exits with what that exited with; "
             "124: it\n"
             "was ended because its time was up, 1: it could not be run, 2: wrong usage.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .argument = &argument,
};

/* As CommandLineToArgvW takes it apart again: backslashes count only before a quotation mark. What needs none has none,
 * for cmd.exe. Returns the end, or NULL if there is no room. */
static char *append(char *to, const char *end, const char *word)
{
    if (end - to < (ptrdiff_t)(2 * strlen(word) + 4)) return NULL;
    bool quoted = *word == '\0' || strpbrk(word, " \t\"");
    if (quoted) *to++ = '"';
    for (size_t backslashes = 0; *word; word++) {
        for (; *word == '"' && backslashes > 0; backslashes--)
            *to++ = '\\';
        backslashes = *word == '\\' ? backslashes + 1 : 0;
        if (*word == '"') *to++ = '\\';
        *to++ = *word;
    }
    if (quoted) {
        for (const char *last = to; last[-1] == '\\'; last--)
            *to++ = '\\';
        *to++ = '"';
    }
    *to++ = ' ';
    return to;
}

static int start(PROCESS_INFORMATION *child)
{
    /* What a command line may have at most: CreateProcessA in the system's documentation. */
    static char line[32767];
    char *to = line;
    for (char **word = command; *word && to; word++)
        to = append(to, line + sizeof line, *word);
    if (!to) return BIDE_ENAMETOOLONG;
    to[-1] = '\0';
    STARTUPINFOA how = {.cb = sizeof how};
    return CreateProcessA(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &how, child) ? 0 : bide_last_error();
}

int main(int argc, char **argv)
{
    example_arguments(&program, argc, argv);

    PROCESS_INFORMATION child;
    int error = start(&child);
    if (error) return example_fail(&program, command[0], error);
    (void)CloseHandle(child.hThread);
    error = bide_wait_handle(child.hProcess, bide_after(timeout));
    bool late = error == BIDE_ETIMEDOUT;
    if (error) {
        (void)TerminateProcess(child.hProcess, EXAMPLE_FAILED);
        (void)WaitForSingleObject(child.hProcess, INFINITE);
    }
    DWORD status = EXAMPLE_FAILED;
    (void)GetExitCodeProcess(child.hProcess, &status);
    (void)CloseHandle(child.hProcess);
    if (late) return EXAMPLE_TIMED_OUT;
    if (error) return example_fail(&program, "waiting for it", error);
    return (int)status;
}

/* The examples on Windows: what they print, and what they exit with.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bide_test.h"

#include <bide.h>

#include <stdio.h>
#include <string.h>
#include <windows.h>

TestSuite(examples, .timeout = 60);

#define SOON bide_after(BIDE_SECONDS(30))

struct program {
    PROCESS_INFORMATION process;
    HANDLE output; /* the end of its pipe that is ours */
    char text[4096];
    size_t length;
};

/* `line` begins with the name of an example. */
static void start(struct program *program, const char *line)
{
    char folder[MAX_PATH], command[2 * MAX_PATH];
    DWORD length = GetModuleFileNameA(NULL, folder, sizeof folder);
    cr_assert(length > 0 && length < sizeof folder);
    for (int i = 0; i < 2; i++)
        *strrchr(folder, '\\') = '\0';
    (void)snprintf(command, sizeof command, "%s\\examples\\%s", folder, line);
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    STARTUPINFOA how = {.cb = sizeof how, .dwFlags = STARTF_USESTDHANDLES};
    cr_assert(CreatePipe(&program->output, &how.hStdOutput, &inherited, 0));
    (void)SetHandleInformation(program->output, HANDLE_FLAG_INHERIT, 0);
    how.hStdError = how.hStdOutput;
    program->length = 0;
    program->text[0] = '\0';
    cr_assert(CreateProcessA(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &how, &program->process),
              "%s: error %lu", command, GetLastError());
    (void)CloseHandle(how.hStdOutput);
}

/* Reads what it prints until that contains `wanted`, or for NULL to its end. */
static void read_until(struct program *program, const char *wanted)
{
    while (!wanted || !strstr(program->text, wanted)) {
        DWORD got = 0;
        size_t room = sizeof program->text - 1 - program->length;
        cr_assert_gt(room, 0);
        if (!ReadFile(program->output, program->text + program->length, (DWORD)room, &got, NULL) || got == 0)
            break;
        program->length += got;
        program->text[program->length] = '\0';
    }
    cr_assert(!wanted || strstr(program->text, wanted), "no \"%s\" in: %s", wanted, program->text);
}

static int end(struct program *program)
{
    DWORD status = 0;
    read_until(program, NULL);
    (void)WaitForSingleObject(program->process.hProcess, INFINITE);
    (void)GetExitCodeProcess(program->process.hProcess, &status);
    (void)CloseHandle(program->process.hProcess);
    (void)CloseHandle(program->process.hThread);
    (void)CloseHandle(program->output);
    return (int)status;
}

/* Has the program's handlers called as the console would, on a thread of that process, which is returned. */
static HANDLE ask(struct program *program, DWORD what)
{
    HMODULE module = GetModuleHandleA("kernelbase");
    LPTHREAD_START_ROUTINE routine =
        (LPTHREAD_START_ROUTINE)(void (*)(void))GetProcAddress(module, "CtrlRoutine");
    cr_assert(routine);
    HANDLE thread =
        CreateRemoteThread(program->process.hProcess, NULL, 0, routine, (void *)(uintptr_t)what, 0, NULL);
    cr_assert_not_null(thread, "error %lu", GetLastError());
    return thread;
}

/* Waits until the thread has ended. Whether it did so with the process, whose code it then has, rather than by itself. */
static bool ends_with_it(HANDLE thread)
{
    DWORD status = 1;
    (void)WaitForSingleObject(thread, INFINITE);
    (void)GetExitCodeThread(thread, &status);
    (void)CloseHandle(thread);
    return status == 0;
}

static void expect(const char *line, int status, const char *text)
{
    static struct program program;
    start(&program, line);
    int ended = end(&program);
    cr_assert_eq(ended, status, "%s exited with %d, and said: %s", line, ended, program.text);
    cr_assert_not_null(strstr(program.text, text), "%s said: %s", line, program.text);
}

Test(examples, timers_are_awaited_and_none_is_early)
{
    expect("timers.exe --count 3 --period 20ms", 0, "6 timers were late");
}

Test(examples, connect_tells_that_nobody_listens)
{
    expect("connect.exe 127.0.0.1:9", 1, "refused");
}

Test(examples, main_exit_cleans_up_after_every_task)
{
    expect("main_exit.exe", 0, "3 of 3 cleaned up");
}

Test(examples, wrong_usage_is_told)
{
    expect("timers.exe --no-such", 2, "usage: timers");
}

Test(examples, windows_process_exits_as_its_program_does)
{
    expect("windows_process.exe cmd /c exit 7", 7, "");
    expect("windows_process.exe no-such-program", 1, "not found");
}

Test(examples, windows_process_hands_words_on_as_they_are)
{
    char line[2 * MAX_PATH];
    (void)snprintf(line, sizeof line, "windows_process.exe cmd /c echo a\\\"b \"c d\" e\\");
    expect(line, 0, "\"c d\"");
}

Test(examples, windows_process_ends_what_takes_too_long)
{
    expect("windows_process.exe --timeout 200ms ping -n 100 127.0.0.1", 124, "");
}

Test(examples, pipeline_hashes_the_files_of_a_folder)
{
    cr_assert(CreateDirectoryA("pipeline_folder", NULL) || GetLastError() == ERROR_ALREADY_EXISTS);
    FILE *file = fopen("pipeline_folder/empty", "wb");
    cr_assert_not_null(file);
    (void)fclose(file);
    /* The hash of nothing is the offset basis of FNV-1a. */
    expect("pipeline.exe pipeline_folder", 0, "cbf29ce484222325");
    (void)remove("pipeline_folder/empty");
    (void)RemoveDirectoryA("pipeline_folder");
}

Test(examples, idle_timeouts_closes_none_early)
{
    expect("idle_timeouts.exe --connections 1000 --idle 100ms --duration 300ms", 0, ", 0 were closed early");
}

Test(examples, udp_query_tells_that_nobody_answers)
{
    bide_async *silent;
    bide_address address;
    char text[BIDE_ADDRESS_TEXT_MAX], line[256];
    address = bide_address_loopback(0);
    cr_assert_eq(bide_udp_bind(&silent, &address), 0);
    cr_assert_eq(bide_async_local_address(silent, &address), 0);
    (void)bide_address_format(&address, text, sizeof text);
    (void)snprintf(line, sizeof line, "udp_query.exe %s --timeout 50ms --retries 1 hello", text);
    expect(line, 124, "");
    (void)bide_async_free(silent);
}

Test(examples, windows_uds_sends_a_line_there_and_back)
{
    static struct program program;
    start(&program, "windows_uds.exe windows_uds.socket");
    int status = end(&program);
    if (status == 77) cr_assert_not_null(strstr(program.text, "no Unix sockets"), "%s", program.text);
    if (status == 77) BIDE_SKIP("this system has no Unix sockets");
    cr_assert_eq(status, 0, "%d: %s", status, program.text);
    cr_assert_not_null(strstr(program.text, "there and back"), "%s", program.text);
}

/* Connects to the address in a program's first line. */
static bide_async *connected(struct program *program)
{
    bide_address address;
    bide_async *client;
    read_until(program, "\n");
    char line[128];
    (void)snprintf(line, sizeof line, "%.*s", (int)strcspn(program->text, "\r\n"), program->text);
    int error = bide_address_parse(&address, line);
    cr_assert_eq(error, 0, "%s: %s", line, bide_error_name(error));
    error = bide_tcp_connect(&client, &address, SOON);
    cr_assert_eq(error, 0, "%s: %s", line, bide_error_name(error));
    return client;
}

Test(examples, embed_win32_rings_and_answers_from_within_a_loop_of_messages)
{
    static struct program program;
    char answer[8];
    expect("embed_win32.exe --period 20ms --count 5", 0, "alarm 5");

    /* Rings for long enough. */
    start(&program, "embed_win32.exe --period 1s --count 1000");
    bide_async *client = connected(&program);
    cr_assert_eq(bide_read_exact(client, answer, sizeof answer, SOON, NULL), 0);
    cr_assert_eq(memcmp(answer + 1, " alarms", sizeof answer - 1), 0, "%.8s", answer);
    (void)bide_async_free(client);
    (void)TerminateProcess(program.process.hProcess, 0);
    (void)end(&program);
}

static void echo_with(const char *line, DWORD what)
{
    static struct program program;
    char text[] = "hello";
    start(&program, line);
    bide_async *client = connected(&program);
    cr_assert_eq(bide_write_all(client, text, sizeof text, SOON, NULL), 0);
    memset(text, 0, sizeof text);
    cr_assert_eq(bide_read_exact(client, text, sizeof text, SOON, NULL), 0);
    cr_assert_str_eq(text, "hello");
    (void)bide_async_free(client);
    HANDLE thread = ask(&program, what);
    cr_assert_eq(ends_with_it(thread), what == CTRL_CLOSE_EVENT);
    cr_assert_eq(end(&program), 0, "%s", program.text);
    cr_assert_not_null(strstr(program.text, "1 connections"), "%s", program.text);
}

Test(examples, echo_server_serves_and_stops_when_asked)
{
    echo_with("echo_server.exe --listen 127.0.0.1:0", CTRL_BREAK_EVENT);
    echo_with("echo_server.exe --listen 127.0.0.1:0", CTRL_CLOSE_EVENT);
}

Test(examples, echo_server_serves_by_tasks_and_stops_when_asked)
{
    echo_with("echo_server.exe --tasks --workers 2 --listen 127.0.0.1:0", CTRL_C_EVENT);
    echo_with("echo_server.exe --tasks --workers 2 --listen 127.0.0.1:0", CTRL_CLOSE_EVENT);
}

Test(examples, windows_signals_reports_when_asked_and_ends_in_good_order)
{
    static struct program program;
    start(&program, "windows_signals.exe --period 20ms");
    read_until(&program, "working");
    (void)CloseHandle(ask(&program, CTRL_BREAK_EVENT));
    read_until(&program, "has worked");
    cr_assert(ends_with_it(ask(&program, CTRL_CLOSE_EVENT)));
    cr_assert_eq(end(&program), 0, "%s", program.text);
    cr_assert_not_null(strstr(program.text, "asked to stop"), "%s", program.text);
}

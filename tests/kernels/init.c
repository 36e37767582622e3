/* The first process of a machine that is there for tests alone (scripts/test-kernels.sh): runs each program in
 * /tests, tells the verdict on the console, and switches the machine off.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static void make_system(void)
{
    static const char *const folders[] = {"/proc", "/sys", "/dev", "/tmp", "/run"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        (void)mkdir(folders[i], 0755);
    (void)mount("proc", "/proc", "proc", 0, NULL);
    (void)mount("sysfs", "/sys", "sysfs", 0, NULL);
    (void)mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    (void)mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &loopback) != 0) perror("lo");
    (void)close(fd);
}

static int run(const char *path)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        execl(path, path, (char *)NULL);
        _exit(127);
    }
    if (child > 0) (void)waitpid(child, &status, 0);
    return status;
}

int main(void)
{
    struct dirent **found = NULL;
    struct utsname name;
    make_system();
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)uname(&name);
    (void)printf("KERNEL %s\n", name.release);
    int count = scandir("/tests", &found, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char path[300];
        if (found[i]->d_name[0] == '.') continue;
        (void)snprintf(path, sizeof path, "/tests/%s", found[i]->d_name);
        int status = run(path);
        (void)printf("VERDICT %s %s\n", found[i]->d_name, status == 0 ? "passed" : "failed");
    }
    (void)printf("THE END\n");
    (void)fflush(stdout);
    (void)sync();
    (void)reboot(RB_POWER_OFF);
    return 0;
}

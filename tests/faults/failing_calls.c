/* Loaded with LD_PRELOAD: lets one file operation below a folder fail, or all of some kinds from that one on.

   The operations of Python, libav, libtorch and Rust code alike are counted, as they all end in these functions of the C
   library. Reading a file through a memory map is not covered. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, WRITE = 2, SYNC = 4, RENAME = 8, REMOVE = 16, MKDIR = 32, TRUNCATE = 64, READ = 128 };

static char folder[4096];
static size_t folder_length;
static int watched, lasting, error_number;
static long failing = -1;
static _Atomic long count;
static char where[4200];

/* Count from now on the operations of the kinds `watch` below `path`; number `at` fails with `error`, and so do later
   ones of the kinds `last`. */
void faults_arm(const char *path, int watch, long at, int error, int last)
{
    snprintf(folder, sizeof folder, "%s", path);
    folder_length = strlen(folder);
    watched = watch, failing = at, error_number = error, lasting = last;
    atomic_store(&count, 0);
}

void faults_disarm(void) { folder_length = 0; }

long faults_count(void) { return atomic_load(&count); }

/* What failed first, such as "rename /folder/file". */
const char *faults_where(void) { return where; }

static int fails(int kind, const char *name, const char *path)
{
    if (!folder_length || !(watched & kind) || strncmp(path, folder, folder_length)
        || (path[folder_length] && path[folder_length] != '/'))
        return 0;
    long number = atomic_fetch_add(&count, 1);
    if (failing < 0 || number < failing || (number > failing && !(lasting & kind)))
        return 0;
    if (number == failing)
        snprintf(where, sizeof where, "%s %s", name, path);
    /* An open file has passed the check of permissions. */
    errno = error_number == EACCES && kind & (WRITE | SYNC | TRUNCATE | READ) ? EIO : error_number;
    return 1;
}

static int fails_at(int kind, const char *name, int parent, const char *path)
{
    char link[64], full[8300];
    if (!folder_length)
        return 0;
    if (path[0] == '/')
        return fails(kind, name, path);
    snprintf(link, sizeof link, parent == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", parent);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, full, 4096);
    if (length < 0)
        return 0;
    snprintf(full + length, sizeof full - length, "/%s", path);
    return fails(kind, name, full);
}

static int fails_fd(int kind, const char *name, int descriptor)
{
    char link[64], full[4200];
    if (!folder_length)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, full, 4096);
    if (length < 0)
        return 0;
    full[length] = 0;
    return fails(kind, name, full);
}

static int opens(int parent, const char *path, int flags)
{
    return fails_at(flags & (O_WRONLY | O_RDWR | O_CREAT) ? OPEN : READ, "open", parent, path);
}

#define ORIGINAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define MODE(flags) va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest)

int open(const char *path, int flags, ...)
{ MODE(flags); return opens(AT_FDCWD, path, flags) ? -1 : ORIGINAL(open)(path, flags, mode); }
int open64(const char *path, int flags, ...)
{ MODE(flags); return opens(AT_FDCWD, path, flags) ? -1 : ORIGINAL(open64)(path, flags, mode); }
int openat(int parent, const char *path, int flags, ...)
{ MODE(flags); return opens(parent, path, flags) ? -1 : ORIGINAL(openat)(parent, path, flags, mode); }
int openat64(int parent, const char *path, int flags, ...)
{ MODE(flags); return opens(parent, path, flags) ? -1 : ORIGINAL(openat64)(parent, path, flags, mode); }
FILE *fopen(const char *path, const char *mode)
{ return opens(AT_FDCWD, path, strpbrk(mode, "wa+") ? O_WRONLY : 0) ? NULL : ORIGINAL(fopen)(path, mode); }
FILE *fopen64(const char *path, const char *mode)
{ return opens(AT_FDCWD, path, strpbrk(mode, "wa+") ? O_WRONLY : 0) ? NULL : ORIGINAL(fopen64)(path, mode); }

ssize_t write(int to, const void *data, size_t size)
{ return fails_fd(WRITE, "write", to) ? -1 : ORIGINAL(write)(to, data, size); }
ssize_t pwrite(int to, const void *data, size_t size, off_t at)
{ return fails_fd(WRITE, "write", to) ? -1 : ORIGINAL(pwrite)(to, data, size, at); }
ssize_t pwrite64(int to, const void *data, size_t size, off64_t at)
{ return fails_fd(WRITE, "write", to) ? -1 : ORIGINAL(pwrite64)(to, data, size, at); }
ssize_t writev(int to, const struct iovec *parts, int n)
{ return fails_fd(WRITE, "write", to) ? -1 : ORIGINAL(writev)(to, parts, n); }
ssize_t read(int from, void *data, size_t size)
{ return fails_fd(READ, "read", from) ? -1 : ORIGINAL(read)(from, data, size); }
ssize_t pread(int from, void *data, size_t size, off_t at)
{ return fails_fd(READ, "read", from) ? -1 : ORIGINAL(pread)(from, data, size, at); }
ssize_t pread64(int from, void *data, size_t size, off64_t at)
{ return fails_fd(READ, "read", from) ? -1 : ORIGINAL(pread64)(from, data, size, at); }
ssize_t readv(int from, const struct iovec *parts, int n)
{ return fails_fd(READ, "read", from) ? -1 : ORIGINAL(readv)(from, parts, n); }
int fsync(int file) { return fails_fd(SYNC, "fsync", file) ? -1 : ORIGINAL(fsync)(file); }
int fdatasync(int file) { return fails_fd(SYNC, "fsync", file) ? -1 : ORIGINAL(fdatasync)(file); }
int ftruncate(int file, off_t size) { return fails_fd(TRUNCATE, "truncate", file) ? -1 : ORIGINAL(ftruncate)(file, size); }
int ftruncate64(int file, off64_t size)
{ return fails_fd(TRUNCATE, "truncate", file) ? -1 : ORIGINAL(ftruncate64)(file, size); }
int rename(const char *old, const char *new)
{ return fails_at(RENAME, "rename", AT_FDCWD, old) ? -1 : ORIGINAL(rename)(old, new); }
int renameat(int from, const char *old, int to, const char *new)
{ return fails_at(RENAME, "rename", from, old) ? -1 : ORIGINAL(renameat)(from, old, to, new); }
int renameat2(int from, const char *old, int to, const char *new, unsigned flags)
{ return fails_at(RENAME, "rename", from, old) ? -1 : ORIGINAL(renameat2)(from, old, to, new, flags); }
int link(const char *old, const char *new)
{ return fails_at(RENAME, "link", AT_FDCWD, old) ? -1 : ORIGINAL(link)(old, new); }
int unlink(const char *path) { return fails_at(REMOVE, "unlink", AT_FDCWD, path) ? -1 : ORIGINAL(unlink)(path); }
int unlinkat(int parent, const char *path, int flags)
{ return fails_at(REMOVE, "unlink", parent, path) ? -1 : ORIGINAL(unlinkat)(parent, path, flags); }
int rmdir(const char *path) { return fails_at(REMOVE, "rmdir", AT_FDCWD, path) ? -1 : ORIGINAL(rmdir)(path); }
int mkdir(const char *path, mode_t mode)
{ return fails_at(MKDIR, "mkdir", AT_FDCWD, path) ? -1 : ORIGINAL(mkdir)(path, mode); }
int mkdirat(int parent, const char *path, mode_t mode)
{ return fails_at(MKDIR, "mkdir", parent, path) ? -1 : ORIGINAL(mkdirat)(parent, path, mode); }

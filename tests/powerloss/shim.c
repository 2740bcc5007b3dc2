/* Stands between a program and its disk, by LD_PRELOAD: what the program does to files directly in the folder
 * $SHIM_FOLDER is appended, in order, to the file $SHIM_LOG; and while the file $SHIM_FAULT holds a word, operations on
 * those files fail or are slow:
 *
 *   full    writes fail with ENOSPC        eio     writes fail with EIO
 *   sync    fsync fails with EIO           slow    fsync takes a tenth of a second
 *
 * -shm files are memory, not disk, and are let alone. A record is: kind, length of the name (1), the name, offset (8),
 * length of the bytes (4), the bytes; all of this machine's byte order. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FDS 4096
#define NAME 64

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static const char *folder, *fault;
static int journal = -1;
/* The name below the folder of the file behind a descriptor; "." is the folder itself, "" is none of ours. */
static char names[FDS][NAME];

__attribute__((constructor)) static void start(void) {
  folder = getenv("SHIM_FOLDER");
  fault = getenv("SHIM_FAULT");
  const char *path = getenv("SHIM_LOG");
  if (path) journal = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static const char *name_of(const char *path) {
  size_t length = folder ? strlen(folder) : 0;
  if (!length || strncmp(path, folder, length)) return NULL;
  if (!path[length]) return ".";
  const char *name = path + length + 1;
  size_t end = strlen(name);
  if (path[length] != '/' || strchr(name, '/') || end >= NAME) return NULL;
  return end > 4 && !strcmp(name + end - 4, "-shm") ? NULL : name;
}

static const char *ours(int fd) { return fd >= 0 && fd < FDS && names[fd][0] ? names[fd] : NULL; }

static void note(char kind, const char *name, uint64_t offset, const void *bytes, uint32_t length) {
  if (journal < 0) return;
  char head[2 + NAME + 12] = {kind, (char)strlen(name)};
  size_t end = 2 + strlen(name);
  memcpy(head + 2, name, end - 2);
  memcpy(head + end, &offset, 8);
  memcpy(head + end + 8, &length, 4);
  /* In one piece: the process may be killed at any moment. */
  struct iovec parts[] = {{head, end + 12}, {(void *)bytes, length}};
  if (syscall(SYS_writev, journal, parts, 2) != (long)(end + 12 + length)) abort();
}

/* Whether the word in the fault file is this one. */
static int told(const char *word) {
  char text[16] = {0};
  if (!fault) return 0;
  int fd = (int)syscall(SYS_openat, AT_FDCWD, fault, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return 0;
  long length = syscall(SYS_read, fd, text, sizeof text - 1);
  syscall(SYS_close, fd);
  return length > 0 && !strcmp(text, word);
}

static int fails(void) {
  errno = told("full") ? ENOSPC : told("eio") ? EIO : 0;
  return errno != 0;
}

static int opened(int at, const char *path, int flags, int mode) {
  const char *name = name_of(path);
  if (!name) return (int)syscall(SYS_openat, at, path, flags, mode);
  pthread_mutex_lock(&turn);
  struct stat before;
  int was = !stat(path, &before);
  int fd = (int)syscall(SYS_openat, at, path, flags, mode);
  int error = errno;
  if (fd >= FDS) abort();
  if (fd >= 0) {
    strcpy(names[fd], name);
    if (!was) note('C', name, 0, "", 0);
    if (was && flags & O_TRUNC) note('T', name, 0, "", 0);
  }
  pthread_mutex_unlock(&turn);
  errno = error;
  return fd;
}

#define OPEN_MODE                                                                                                      \
  int mode = 0;                                                                                                        \
  if (flags & O_CREAT) {                                                                                 \
    va_list rest;                                                                                                      \
    va_start(rest, flags);                                                                                             \
    mode = va_arg(rest, int);                                                                                          \
    va_end(rest);                                                                                                      \
  }

int open(const char *path, int flags, ...) {
  OPEN_MODE return opened(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  OPEN_MODE return opened(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}
int openat(int at, const char *path, int flags, ...) {
  OPEN_MODE return opened(at, path, flags, mode);
}

int close(int fd) {
  pthread_mutex_lock(&turn);
  if (fd >= 0 && fd < FDS) names[fd][0] = 0;
  int answer = (int)syscall(SYS_close, fd);
  pthread_mutex_unlock(&turn);
  return answer;
}

/* `at` < 0: where the descriptor stands, or the end where it appends. */
static ssize_t written(int fd, const void *bytes, size_t length, off_t at) {
  const char *name = ours(fd);
  if (!name) return at < 0 ? syscall(SYS_write, fd, bytes, length) : syscall(SYS_pwrite64, fd, bytes, length, at);
  if (fails()) return -1;
  pthread_mutex_lock(&turn);
  off_t offset = at;
  if (at < 0) offset = lseek(fd, 0, syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
  ssize_t wrote = at < 0 ? syscall(SYS_write, fd, bytes, length) : syscall(SYS_pwrite64, fd, bytes, length, at);
  int error = errno;
  if (wrote > 0) note('W', name, (uint64_t)offset, bytes, (uint32_t)wrote);
  pthread_mutex_unlock(&turn);
  errno = error;
  return wrote;
}

ssize_t write(int fd, const void *bytes, size_t length) { return written(fd, bytes, length, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return written(fd, bytes, length, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t at) { return written(fd, bytes, length, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) {
  /* A short write is allowed: the caller goes on with the rest. */
  if (!ours(fd) || count < 1) return syscall(SYS_writev, fd, parts, count);
  return written(fd, parts[0].iov_base, parts[0].iov_len, -1);
}

static int cut(int fd, off_t length) {
  const char *name = ours(fd);
  if (!name) return (int)syscall(SYS_ftruncate, fd, length);
  if (fails()) return -1;
  pthread_mutex_lock(&turn);
  int answer = (int)syscall(SYS_ftruncate, fd, length);
  int error = errno;
  if (!answer) note('T', name, (uint64_t)length, "", 0);
  pthread_mutex_unlock(&turn);
  errno = error;
  return answer;
}

int ftruncate(int fd, off_t length) { return cut(fd, length); }
int ftruncate64(int fd, off_t length) { return cut(fd, length); }

static int synced(int fd, long call) {
  const char *name = ours(fd);
  if (!name) return (int)syscall(call, fd);
  if (told("sync")) {
    errno = EIO;
    return -1;
  }
  if (told("slow")) nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
  pthread_mutex_lock(&turn);
  int answer = (int)syscall(call, fd);
  int error = errno;
  if (!answer) note('S', name, 0, "", 0);
  pthread_mutex_unlock(&turn);
  errno = error;
  return answer;
}

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

int unlink(const char *path) {
  const char *name = name_of(path);
  if (!name) return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  pthread_mutex_lock(&turn);
  int answer = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  int error = errno;
  if (!answer) note('U', name, 0, "", 0);
  pthread_mutex_unlock(&turn);
  errno = error;
  return answer;
}

int rename(const char *from, const char *to) {
  const char *name = name_of(from), *other = name_of(to);
  if (!name || !other) return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
  pthread_mutex_lock(&turn);
  int answer = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
  int error = errno;
  if (!answer) note('R', name, 0, other, (uint32_t)strlen(other));
  pthread_mutex_unlock(&turn);
  errno = error;
  return answer;
}

/* Preloaded into a process: adds to its wall clock what a shared file says, so that a test can step the clock of a whole room.
 * Waits until a time of that clock are given to the system by its own. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *step_ns;
static int (*real_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("OPENPKP_CLOCK_STEP");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  real_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  if (file >= 0) {
    void *place = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    step_ns = place == MAP_FAILED ? NULL : place;
    close(file);
  }
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  if (!real_gettime) begin();
  int failed = real_gettime(clock, now);
  if (!failed && step_ns && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    int64_t ns = now->tv_sec * INT64_C(1000000000) + now->tv_nsec + *step_ns;
    now->tv_sec = ns / 1000000000;
    now->tv_nsec = ns % 1000000000;
  }
  return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec precise;
  (void)zone;
  int failed = clock_gettime(CLOCK_REALTIME, &precise);
  if (!failed) *now = (struct timeval){precise.tv_sec, precise.tv_nsec / 1000};
  return failed;
}

time_t time(time_t *now) {
  struct timespec precise = {0};
  clock_gettime(CLOCK_REALTIME, &precise);
  if (now) *now = precise.tv_sec;
  return precise.tv_sec;
}

/* A monotonic time counts from the start of the machine: no wall clock shows so little. */
static struct timespec unstepped(const struct timespec *until) {
  struct timespec real = *until;
  if (step_ns && until->tv_sec > 1000000000) {
    int64_t ns = until->tv_sec * INT64_C(1000000000) + until->tv_nsec - *step_ns;
    real.tv_sec = ns / 1000000000;
    real.tv_nsec = ns % 1000000000;
  }
  return real;
}

typedef int (*timed_wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
typedef int (*clock_wait)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
typedef int (*timed_sem)(sem_t *, const struct timespec *);

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex, const struct timespec *restrict until) {
  static timed_wait next;
  struct timespec real = unstepped(until);
  if (!next) next = (timed_wait)dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2"); /* the plain name may mean an older one */
  if (!next) next = (timed_wait)dlsym(RTLD_NEXT, "pthread_cond_timedwait");
  return next(cond, mutex, &real);
}

int pthread_cond_clockwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex, clockid_t clock,
                           const struct timespec *restrict until) {
  static clock_wait next;
  struct timespec real = unstepped(until);
  if (!next) next = (clock_wait)dlsym(RTLD_NEXT, "pthread_cond_clockwait");
  return next(cond, mutex, clock, &real);
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
  static timed_sem next;
  struct timespec real = unstepped(until);
  if (!next) next = (timed_sem)dlsym(RTLD_NEXT, "sem_timedwait");
  return next(semaphore, &real);
}

/* Makes the n-th allocation of an operation fail, for every n. The linker's --wrap
 * catches the calls of our own code; OpenSSL and jansson allocate through hooks. Leaks on
 * the error paths are then found by LeakSanitizer at the end of the program, double frees
 * and stale pointers by AddressSanitizer. */
#ifndef TESTS_FAULT_ALLOCATION_H
#define TESTS_FAULT_ALLOCATION_H

#include <stdbool.h>
#include <stddef.h>

/* Installs the hooks; first thing in main, before OpenSSL allocates. Fails the program
 * when it can't. */
void allocation_hook(void);
/* From now on the allocation with this index (0 is the next) fails, once. */
void allocation_fail_at(size_t index);
/* While paused nothing fails and nothing is counted: for the test's own allocations. */
void allocation_pause(bool is_paused);
/* Ends that; whether the index was reached. */
bool allocation_stop(void);
/* Runs OPERATION once without failures (which warms caches up), then with the first, the
 * second, ... allocation failing, until one run no longer reaches the failing index.
 * OPERATION returns 0 or a negative error and must have checked its results itself. The
 * first run and the last must succeed; returns how many runs failed, so that a test can
 * tell that failures arrived at all. When STRICT, a run that met its failure must return
 * ERROR_MEMORY; else success or any error is fine (OpenSSL survives some failures, and
 * reports others under other names). */
size_t allocation_each(int (*operation)(void), bool is_strict);

#endif

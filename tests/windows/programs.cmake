# The tests for Windows, one line a file: those of tests/CMakeLists.txt that need nothing which is not there. Of
# their tests some are left out by name: see skips.c.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
bide_add_test(test_error)
bide_add_test(test_time)
bide_add_test(test_heap)
bide_add_test(test_heap_model)
bide_add_test(test_slots TIMEOUT 600)
bide_add_test(test_poller)
bide_add_test(test_poller_events)
bide_add_test(test_poller_backend)
bide_add_test(test_poller_wait)
bide_add_test(test_poller_notify)

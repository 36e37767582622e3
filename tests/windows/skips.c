/* See skips.h. `*` at the end of a name stands for any rest.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "skips.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const char no_errno[] = "errors have the numbers of GetLastError: test_windows tries those";
static const char no_hang_up[] = "a connection closed by the other end is its end here, and no hang-up";
static const char no_dup2[] = "a descriptor's number cannot be chosen";
static const char no_numbers[] = "files of the C library are no handles: test_windows tries those";
static const char closed_numbers[] = "a closed number belongs to another handle at once";
static const char no_mode[] = "whether a socket blocks cannot be asked";
static const char sockets_alone[] = "sockets alone can be polled";
static const char no_unix[] = "Wine 8: there are no Unix sockets";
static const char no_counts[] = "system calls cannot be counted";
static const char reset[] = "Wine 8: a receive after a reset gives 0";
static const char no_pipe_error[] = "a pipe is a connection here, whose first write after the end succeeds";
static const char loopback[] =
    "pairs are connections over the loopback here, which lose and buffer differently";
static const char multicast[] = "Wine 8: groups and interfaces cannot be joined by index";
static const char not_full[] = "a full TCP connection does not stay full";
static const char no_fork[] = "there is no fork";
static const char no_signals[] = "there are no signals";
static const char no_faults[] = "calls cannot be made to fail or counted: the system's are imported";
static const char no_option[] = "Wine 8: an option that it does not have";
static const char no_abstract[] = "abstract names of Unix sockets are Linux's own";
static const char other_back_ends[] = "names the back ends of other systems: test_windows tries this one's";

static const struct {
    const char *suite;
    const char *name;
    const char *reason;
} skips[] = {
    {"error", "the_last_error_is_that_of_errno", no_errno},
    {"error", "a_known_system_error_is_its_code_and_the_way_back", no_errno},
    {"poller", "a_hang_up_is_reported_without_being_asked_for", no_hang_up},
    {"poller", "one_shot_with_a_hang_up_pending_does_not_spin", no_hang_up},
    {"poller", "an_error_is_reported_without_being_asked_for",
     "what a datagram met is told by the next receive, and not by the driver"},
    {"poller", "a_registered_descriptor_that_was_closed_is_bad_and_then_gone", no_dup2},
    {"poller", "regular_files_and_folders_are_refused_and_nothing_is_registered", no_numbers},
    {"poller", "closed_and_negative_descriptors_are_bad", closed_numbers},
    {"poller", "its_descriptor_tells_of_events_and_notifications", "a completion port is no descriptor"},
    {"poller", "a_child_that_frees_it_does_not_disturb_its_parent", no_fork},
    {"poller", "all_descriptors_are_close_on_exec_and_free_closes_them", other_back_ends},
    {"poller", "the_back_end_can_be_named*", other_back_ends},
    {"poller_wait", "signals_do_not_move_the_deadline", no_signals},
    {"poller_wait", "a_signal_handler_may_notify", no_signals},
    {"poller_wait", "a_signal_does_not_end_a_wait", no_signals},
    {"poller_wait", "a_signal_to_a_thread_that_waits_for_the_first_time_is_handled", no_signals},
    {"event", "set_by_a_handler_on_a_thread_that_never_used_it_releases_a_wait", no_signals},
    {"event", "set_by_signal_handlers_is_never_lost", no_signals},
    {"block_on", "is_not_interrupted_by_signals", no_signals},
    {"background", "that_is_idle_*", "the system does not count a thread's switches"},
    {"async", "a_device_that_cannot_be_polled_is_refused_where_the_system_can_tell", no_numbers},
    {"async", "a_closed_or_negative_descriptor_is_refused", closed_numbers},
    {"async", "a_regular_file_or_a_folder_is_refused_and_left_as_it_was", no_numbers},
    {"async", "into_fd_can_restore_the_mode_that_new_found", no_mode},
    {"async", "reads_and_writes_refuse_a_borrowed_descriptor_that_would_make_them_wait", no_mode},
    {"operations", "shutting_the_reading_side_down_ends_ones_own_reads",
     "a shutdown of the reading side ends no poll that is under way"},
    {"operations", "peek_at_what_is_no_socket_is_refused_whatever_the_memory_says", sockets_alone},
    {"operations", "an_eventfd_is_awaited_like_any_other", sockets_alone},
    {"readiness", "an_error_wakes_both_directions", "Wine 8: a receive after a reset gives 0"},
    {"tcp", "nodelay_is_set_and_taken_back", sockets_alone},
    {"races", "free_and_read_and_the_next_owner_of_the_number", no_dup2},
    {"async", "a_second_registration_is_refused_and_the_first_goes_on", no_mode},
    {"async", "after_a_shutdown_a_handle_can_only_be_given_back_or_freed", no_mode},
    {"async", "borrow_never_changes_flags_and_never_closes", no_mode},
    {"unix_sockets", "*", no_unix},
    {"background", "is_served_while_the_program_never_waits", "waits of threads are rounded to milliseconds"},
    {"driver", "offered_to_a_thread_that_is_leaving_is_not_lost", "a thread is found by its name too slowly"},
    {"operations", "a_read_that_must_write_first_goes_on_when_there_is_room",
     "a full TCP connection does not stay full"},
    {"task", "the_child_of_a_task_that_forks_is_plain_code", no_fork},
    {"wheel_thread", "in_the_child_of_a_fork*", no_fork},
    {"wheel_thread", "the_child_of_a_fork_gives_up_a_wheel_that_others_were_using", no_fork},
    {"group", "of_the_parent_is_told_as_such_in_the_child_of_a_fork", no_fork},
    {"task", "two_hundred_thousand_are_alive_at_once_where_guards_are_light",
     "stacks are committed as they are mapped"},
    {"reader", "several_lines_cost_one_system_call_and_no_allocation", no_counts},
    {"reader", "read_gives_what_is_there_and_goes_past_an_empty_buffer_when_it_is_the_smaller_one",
     no_counts},
    {"message", "a_short_datagram_never_means_that_there_is_no_more", no_counts},
    {"reader", "an_error_is_told_and_takes_nothing", reset},
    {"bulk", "errors_and_wrong_arguments_are_told", no_pipe_error},
    {"message", "a_peer_that_is_gone_gives_an_error_and_no_signal", loopback},
    {"message", "a_send_waits_for_room_of_a_connected_peer", loopback},
    {"message", "misuse_is_an_error", loopback},
    {"message", "what_cannot_be_sent_is_told", "Wine 8: a datagram without a destination has another error"},
    {"udp", "several_members_share_a_port", multicast},
    {"udp", "groups_of_another_family_are_an_error", multicast},
    {"udp", "a_member_of_an_ipv6_group_receives_what_is_sent_to_it", multicast},
    {"udp", "a_member_of_a_group_receives_what_is_sent_to_it", multicast},
    {"udp", "a_stream_is_given_no_peer", sockets_alone},
    {"udp", "a_socket_may_change_its_peer_and_lose_it", "Wine 8: a peer is not taken away"},
    {"udp", "misuse_is_an_error_and_leaves_no_descriptor", "Wine 8: an address of another machine is taken"},
    {"message", "a_refusal_by_the_peers_machine_is_reported_and_the_socket_goes_on", loopback},
    {"message", "a_borrowed_socket_that_blocks_does_not_block", no_mode},
    {"readiness", "the_end_of_what_the_peer_writes_wakes_readers_alone", not_full},
    {"heap", "the_heap_grows_without_harm_when_memory_lacks_in_the_midst_of_the_bulk", no_faults},
    {"heap", "without_memory_adding_fails_and_changes_nothing", no_faults},
    {"address", "any_unix_address_is_read_back_as_it_was", no_abstract},
    {"address", "unix_addresses_that_cannot_be_are_refused_by_name_and_change_nothing", no_abstract},
    {"address", "a_path_and_a_name_made_from_parts_are_given_out_as_they_were", no_abstract},
    {"address", "any_text_is_parsed_or_refused", no_abstract},
    {"address", "well_formed_text_is_parsed_and_printed_again", no_abstract},
    {"address", "malformed_text_is_refused_by_name_and_changes_nothing",
     "names of interfaces may be longer here"},
    {"pool", "a_call_in_a_task_does_not_return_before_its_job_though_there_is_no_memory_for_its_deadline",
     no_faults},
    {"pool", "a_call_does_not_return_before_its_job_though_the_poller_fails", no_faults},
    {"pool", "without_any_thread_a_job_fails_and_with_one_it_waits", no_faults},
    {"pool", "signals_are_not_delivered_to_its_threads", no_signals},
    {"reactor", "that_cannot_be_opened_tells_why_without_loss", no_faults},
    {"reactor", "uses_the_back_end_it_is_told", other_back_ends},
    {"reactor", "that_is_freed_lets_handles_give_back_their_descriptors", no_mode},
    {"reactor", "runs_inside_another_event_loop_without_spinning", other_back_ends},
    {"reactor", "has_a_descriptor_that_tells_of_earlier_timers_and_new_sources_from_elsewhere",
     other_back_ends},
    {"log", "tells_that_a_listener_pauses", no_faults},
    {"log", "tells_that_the_helper_thread_cannot_be_started", no_faults},
    {"batch", "a_full_receiver_that_is_addressed_is_tried_again", no_unix},
    {"batch", "a_system_that_cannot_receive_several_receives_one_after_the_other", no_faults},
    {"batch", "a_system_without_such_calls_moves_one_after_the_other", no_faults},
    {"batch", "one_that_cannot_be_sent_is_told_by_the_call_that_begins_with_it", no_faults},
    {"batch", "sixty_four_datagrams_go_in_one_call_and_come_in_one", no_counts},
    {"options", "wrong_ones_before_the_bind_are_refused_and_leave_no_descriptor", no_option},
    {"options", "ipv6_serves_ipv4_as_well_unless_told_otherwise", no_option},
    {"options", "several_udp_sockets_share_a_port_if_each_says_so", "there is no SO_REUSEPORT"},
    {"options", "a_listener_has_what_was_asked_for_before_it_was_bound", no_option},
    {"options", "what_a_socket_does_not_have_is_refused", no_option},
    {"options", "pass_credentials_is_read_as_it_was_set", "no message carries credentials here"},
    {"options", "traffic_class_and_hop_limit_are_read_as_they_were_set", no_option},
    {"options", "linger_is_read_as_it_was_set_and_zero_resets", reset},
    {"options", "user_timeout_is_read_as_it_was_set_in_whole_milliseconds", no_option},
    {"options", "keepalive_is_read_as_it_was_set_in_whole_seconds", no_option},
    {"options", "nodelay_is_read_as_it_was_set_and_costs_one_call", no_counts},
    {"dump", "says_why_it_could_not_be_written", no_pipe_error},
    {"dump", "goes_past_a_wheel_that_is_locked_for_long_or_is_the_parents", no_fork},
    {"file", "is_made_of_any_descriptor_and_raises_no_signal", no_pipe_error},
    {"reactor_carried", "a_thread_that_drives_it_posts_its_wakes_to_a_loop_without_its_descriptor",
     other_back_ends},
};

static bool matches(const char *pattern, const char *text)
{
    const char *star = strchr(pattern, '*');
    return star ? strncmp(pattern, text, (size_t)(star - pattern)) == 0 : strcmp(pattern, text) == 0;
}

const char *bide_test_reason_to_skip(const char *suite, const char *name)
{
    for (size_t i = 0; i < sizeof skips / sizeof *skips; i++)
        if (strcmp(skips[i].suite, suite) == 0 && matches(skips[i].name, name)) return skips[i].reason;
    return NULL;
}

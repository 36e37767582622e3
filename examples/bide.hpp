// Bide in C++17, as thin as it can be: errors are exceptions, handles free themselves, and a future that is
// under way is cancelled before its storage goes. All of Bide's functions can be used beside it; copy it and
// add what you need.
//
// INVARIANTS
// 1. A pending<> stays where it is: the kernel and Bide know its address while it is under way.
// 2. Whatever a future uses (buffers, handles) is declared before it, and so outlives it.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef EXAMPLES_BIDE_HPP
#define EXAMPLES_BIDE_HPP

#include <bide.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

namespace bide {

// --- errors ---

class category_type final : public std::error_category {
  public:
    const char *name() const noexcept override
    {
        return "bide";
    }

    std::string message(int error) const override
    {
        return bide_strerror(error);
    }

    // So that `e.code() == std::errc::connection_refused` holds.
    std::error_condition default_error_condition(int error) const noexcept override
    {
        int number = bide_system_error(error);
        return number ? std::error_condition(number, std::generic_category())
                      : std::error_condition(error, *this);
    }
};

inline const std::error_category &category()
{
    static const category_type instance;
    return instance;
}

// Gives a count back, and throws an error.
inline bide_ssize check(bide_ssize result, const char *what)
{
    if (result < 0) throw std::system_error(static_cast<int>(result), category(), what);
    return result;
}

// --- time ---

inline bide_instant after(std::chrono::nanoseconds duration)
{
    return bide_after(duration.count());
}

// --- handles ---

struct free_handle {
    void operator()(bide_async *async) const noexcept
    {
        (void)bide_async_free(async); // and closes the descriptor
    }
};

using handle = std::unique_ptr<bide_async, free_handle>;

inline handle connect(const char *host, uint16_t port, bide_instant deadline)
{
    bide_async *conn;
    check(bide_tcp_connect_host(&conn, host, port, deadline, nullptr), "connecting");
    return handle(conn);
}

inline void write_all(const handle &conn, std::string_view text, bide_instant deadline)
{
    check(bide_write_all(conn.get(), text.data(), text.size(), deadline, nullptr), "writing");
}

// --- futures ---

// A future of Bide's, prepared by one of its functions:
// `pending<bide_timer> tick(bide_timer_after, BIDE_SECONDS(1))`.
template <typename Future> class pending {
  public:
    template <typename Prepare, typename... Arguments>
    explicit pending(Prepare prepare, Arguments... arguments)
    {
        prepare(&future_, arguments...);
    }

    ~pending()
    {
        (void)bide_cancel(&future_.future);
    }

    pending(const pending &) = delete;
    pending &operator=(const pending &) = delete;

    // To look at its result, or to prepare it once more when it is not under way.
    Future *operator->()
    {
        return &future_;
    }

    bide_future *get()
    {
        return &future_.future;
    }

    void wait(bide_instant deadline = BIDE_NEVER)
    {
        check(bide_await(get(), deadline), "waiting");
    }

  private:
    Future future_{};
};

// Waits for the first, counted from 0, and cancels the others: these are over, and to be made anew.
template <typename... Futures> int race(bide_instant deadline, pending<Futures> &...futures)
{
    bide_future *const all[] = {futures.get()...};
    return static_cast<int>(check(bide_race_until(all, sizeof...(futures), deadline, nullptr), "waiting"));
}

} // namespace bide

#endif

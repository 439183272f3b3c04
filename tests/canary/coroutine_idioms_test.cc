// SPDX-License-Identifier: MIT
//
// A canary for the compiler: the coroutine idioms that this code base relies on, each checked for
// the balance of constructors and destructors. g++ 12 destroys some temporaries twice, or never, in
// an expression that contains a co_await (closures with captures, aggregates, class-type ?:); what
// is listed here is what is sound on every supported compiler. A failure means: do not trust this
// compiler with the rest.
//
// Stands on the language alone and includes nothing of ours but <ringo/config.h>.

#include <ringo/config.h>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

// Closures with captures are what is to be tried here; each outlives the coroutine made from it.
// NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines)

const std::string kLong = "a string that is too long for the small-string buffer";

// Counts what is alive, and notices an object that is destroyed twice or used after its end.
class Tracked {
 public:
  Tracked(int value = 0) : value_(value) { ++alive; }  // NOLINT(google-explicit-constructor)
  Tracked(const Tracked& other) : value_(other.value()) {
    ++alive;
    ++copies;
  }
  Tracked(Tracked&& other) noexcept : value_(other.value()) {
    ++alive;
    ++moves;
  }
  Tracked& operator=(const Tracked& other) {
    if (this != &other) {
      value_ = other.value();
    }
    return *this;
  }
  Tracked& operator=(Tracked&& other) noexcept {
    value_ = other.value();
    return *this;
  }
  ~Tracked() {
    faults += state_ != kAlive;
    state_ = kDead;
    --alive;
  }

  int value() const {
    faults += state_ != kAlive;
    return value_;
  }

  static void reset() { alive = copies = moves = faults = 0; }

  static inline int alive = 0;
  static inline int copies = 0;
  static inline int moves = 0;
  static inline int faults = 0;

 private:
  static constexpr std::uint64_t kAlive = 0x600d600d600d600d;
  static constexpr std::uint64_t kDead = 0xdeaddeaddeaddead;
  // volatile: the stores of the destructor would be dead stores otherwise.
  volatile std::uint64_t state_ = kAlive;
  int value_;
};

std::coroutine_handle<> parked;
int live_frames = 0;
int size_mismatches = 0;

struct PromiseBase {
  // The size of each frame is kept in front of it, to compare with the sized delete.
  static constexpr std::size_t kHeader = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

  static void* operator new(std::size_t size) {
    ++live_frames;
    auto* memory = static_cast<std::byte*>(::operator new(size + kHeader));
    new (memory) std::size_t(size);
    return memory + kHeader;
  }
  static void operator delete(void* frame, std::size_t size) {
    --live_frames;
    auto* memory = static_cast<std::byte*>(frame) - kHeader;
    size_mismatches += *std::launder(reinterpret_cast<std::size_t*>(memory)) != size;
    ::operator delete(memory);
  }

  struct FinalAwaiter {
    FinalAwaiter() noexcept = default;
    bool await_ready() noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> ended) noexcept {
      return ended.promise().continuation;
    }
    void await_resume() noexcept {}
  };

  std::suspend_always initial_suspend() noexcept { return {}; }
  FinalAwaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() { exception = std::current_exception(); }

  std::coroutine_handle<> continuation = std::noop_coroutine();
  std::exception_ptr exception;
};

template <class R>
class Task {
 public:
  struct promise_type : PromiseBase {
    Task get_return_object() {
      return Task(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    template <class U>
    void return_value(U&& value) {
      result.emplace(std::forward<U>(value));
    }
    std::optional<R> result;
  };

  Task(Task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (coroutine_) {
      coroutine_.destroy();
    }
  }

  class Awaiter {
   public:
    explicit Awaiter(std::coroutine_handle<promise_type> child) : child_(child) {}
    bool await_ready() noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) noexcept {
      child_.promise().continuation = parent;
      return child_;
    }
    R await_resume() {
      if (child_.promise().exception) {
        std::rethrow_exception(child_.promise().exception);
      }
      return std::move(*child_.promise().result);
    }

   private:
    std::coroutine_handle<promise_type> child_;
  };
  Awaiter operator co_await() && noexcept { return Awaiter(coroutine_); }

  // Runs the coroutine until it has ended, resuming whatever parked itself.
  R run() {
    start();
    while (!coroutine_.done() && parked) {
      std::exchange(parked, nullptr).resume();
    }
    if (!coroutine_.done()) {
      throw std::logic_error("the coroutine is suspended and nothing will resume it");
    }
    if (coroutine_.promise().exception) {
      std::rethrow_exception(coroutine_.promise().exception);
    }
    return std::move(*coroutine_.promise().result);
  }
  void start() { coroutine_.resume(); }

 private:
  explicit Task(std::coroutine_handle<promise_type> coroutine) : coroutine_(coroutine) {}
  std::coroutine_handle<promise_type> coroutine_;
};

// Suspends, then yields 7.
class Park {
 public:
  Park() noexcept = default;
  bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> self) noexcept { parked = self; }
  int await_resume() noexcept { return 7; }
};

// An awaiter with a constructor and a member that has a destructor.
class ParkWith {
 public:
  ParkWith(Tracked tracked, int more) : tracked_(std::move(tracked)), more_(more) {}
  bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> self) noexcept { parked = self; }
  int await_resume() { return tracked_.value() + more_; }

 private:
  Tracked tracked_;
  int more_;
};

enum class Where { kReady, kSuspend, kResume };

class Throwing {
 public:
  Throwing(Tracked tracked, Where where) : tracked_(std::move(tracked)), where_(where) {}
  bool await_ready() { return throw_at(Where::kReady); }
  void await_suspend(std::coroutine_handle<> self) {
    throw_at(Where::kSuspend);
    parked = self;
  }
  int await_resume() { return static_cast<int>(throw_at(Where::kResume)); }

 private:
  bool throw_at(Where here) {
    if (here == where_) {
      throw std::runtime_error("thrown by an awaiter");
    }
    return false;
  }
  Tracked tracked_;
  Where where_;
};

// A parameter structure with a constructor: the form that our own structures have.
struct Options {
  Options(Tracked first, int second, std::string third)
      : tracked(std::move(first)), number(second), text(std::move(third)) {}
  Tracked tracked;
  int number;
  std::string text;
};

// An aggregate with a destructor: to be named before it is passed.
struct Aggregate {
  Tracked tracked;
  int number;
  std::string text;
};

struct TrivialAggregate {
  int number;
  const char* text;
};

Task<int> by_value(Tracked tracked) {
  co_await Park();
  co_return tracked.value();
}
Task<int> by_reference(const Tracked& tracked) {
  co_await Park();
  co_return tracked.value();
}
Task<int> immediate(int value) {
  co_return value;
}
Task<Tracked> make_tracked(int value) {
  co_await Park();
  Tracked result(value);
  co_return result;
}
Task<std::string> make_string() {
  co_await Park();
  std::string result = kLong;
  co_return result;
}
Task<std::vector<int>> make_vector() {
  co_await Park();
  std::vector<int> result{1, 2, 3};
  co_return result;
}
Task<std::pair<Tracked, int>> make_pair_of() {
  co_await Park();
  std::pair<Tracked, int> result(Tracked(3), 4);
  co_return result;
}
Task<int> take_options(Options options) {
  co_await Park();
  co_return options.tracked.value() + options.number;
}
Task<int> take_aggregate(Aggregate aggregate) {
  co_await Park();
  co_return aggregate.tracked.value() + aggregate.number;
}
Task<int> take_trivial(TrivialAggregate aggregate) {
  co_await Park();
  co_return aggregate.number;
}
Task<std::size_t> take_strings(std::string first, const std::string& second = kLong + kLong) {
  co_await Park();
  co_return first.size() + second.size();
}
Task<int> take_pair(std::pair<Tracked, std::string> pair) {
  co_await Park();
  co_return pair.first.value();
}
Task<int> take_optional(std::optional<Tracked> optional) {
  co_await Park();
  co_return optional->value();
}
Task<std::size_t> take_vector(std::vector<Tracked> vector) {
  co_await Park();
  co_return vector.size();
}
Task<int> take_unique(std::unique_ptr<Tracked> owned) {
  co_await Park();
  co_return owned->value();
}
Task<int> take_function(std::function<int()> function) {
  co_await Park();
  co_return function();
}
template <class F>
Task<int> take_callable(F callable) {
  co_await Park();
  co_return callable();
}
template <class F, class... Args>
Task<int> invoke(F callable, Args... args) {
  co_return co_await callable(args...);
}
Task<int> sum_of(Task<int> first, Task<int> second) {
  const int a = co_await std::move(first);
  const int b = co_await std::move(second);
  co_return a + b;
}

class CoroutineIdiom : public testing::Test {
 protected:
  void SetUp() override {
    Tracked::reset();
    parked = nullptr;
    live_frames = 0;
    size_mismatches = 0;
  }
  void TearDown() override {
    EXPECT_EQ(Tracked::alive, 0) << "constructors and destructors do not balance";
    EXPECT_EQ(Tracked::faults, 0) << "an object was used or destroyed after its end";
    EXPECT_EQ(live_frames, 0) << "a frame was not freed, or freed twice";
    EXPECT_EQ(size_mismatches, 0) << "operator delete was told another size than operator new";
  }
};

TEST_F(CoroutineIdiom, ClassPrvaluesAsArguments) {
  auto body = []() -> Task<int> {
    const int a = co_await by_value(Tracked(5));
    const int b = co_await by_reference(Tracked(6));
    co_return a + b;
  };
  EXPECT_EQ(body().run(), 11);
}

TEST_F(CoroutineIdiom, ParameterStructureWithConstructor) {
  auto body = []() -> Task<int> {
    const int a = co_await take_options(Options(Tracked(1), 2, kLong));
    const int b = co_await take_options({Tracked(1), 2, kLong});
    co_return a + b;
  };
  EXPECT_EQ(body().run(), 6);
}

TEST_F(CoroutineIdiom, StandardTypesAsPrvalues) {
  auto body = []() -> Task<std::size_t> {
    std::size_t sum = co_await take_strings("a literal");
    sum += co_await take_strings(std::string("x") + kLong, "y");
    sum += static_cast<std::size_t>(co_await take_pair({Tracked(1), kLong}));
    sum += static_cast<std::size_t>(co_await take_pair(std::pair<Tracked, std::string>(2, "z")));
    sum += static_cast<std::size_t>(co_await take_optional(Tracked(3)));
    sum += co_await take_vector(std::vector<Tracked>(4));
    sum += static_cast<std::size_t>(co_await take_unique(std::make_unique<Tracked>(5)));
    co_return sum;
  };
  const std::size_t strings = std::string("a literal").size() + 3 * kLong.size() + 2;
  EXPECT_EQ(body().run(), strings + 1 + 2 + 3 + 4 + 5);
}

TEST_F(CoroutineIdiom, TrivialAggregateAsPrvalue) {
  auto body = []() -> Task<int> {
    const int a = co_await take_trivial({1, "x"});
    const int b = co_await take_trivial(TrivialAggregate{.number = 2, .text = "y"});
    co_return a + b;
  };
  EXPECT_EQ(body().run(), 3);
}

TEST_F(CoroutineIdiom, NamedAggregateIsMoved) {
  auto body = []() -> Task<int> {
    Aggregate aggregate{Tracked(1), 2, kLong};
    co_return co_await take_aggregate(std::move(aggregate));
  };
  EXPECT_EQ(body().run(), 3);
}

TEST_F(CoroutineIdiom, NamedAggregateIsReturned) {
  auto make = []() -> Task<Aggregate> {
    const int number = co_await Park();
    Aggregate aggregate{Tracked(1), number, kLong};
    co_return aggregate;
  };
  auto body = [make]() -> Task<int> {
    Aggregate aggregate = co_await make();
    co_return aggregate.tracked.value() + aggregate.number;
  };
  EXPECT_EQ(body().run(), 8);
}

TEST_F(CoroutineIdiom, NamedClosureIsCopiedOrMoved) {
  auto body = []() -> Task<int> {
    const Tracked captured(3);
    auto closure = [captured] { return captured.value(); };
    const int a = co_await take_callable(closure);
    const int b = co_await take_callable(std::move(closure));
    co_return a + b;
  };
  EXPECT_EQ(body().run(), 6);
}

TEST_F(CoroutineIdiom, NamedFunctionObjectIsCopiedOrMoved) {
  auto body = []() -> Task<int> {
    auto shared = std::make_shared<Tracked>(3);
    std::function<int()> function = [shared] { return shared->value(); };
    const int a = co_await take_function(function);
    const int b = co_await take_function(std::move(function));
    co_return shared.use_count() == 1 ? a + b : -1;
  };
  EXPECT_EQ(body().run(), 6);
}

TEST_F(CoroutineIdiom, ClosureWithTrivialCapturesAsPrvalue) {
  auto body = []() -> Task<int> {
    const int number = co_await immediate(3);
    const Tracked local(4);
    co_return co_await take_callable([number, &local] { return number + local.value(); });
  };
  EXPECT_EQ(body().run(), 7);
}

TEST_F(CoroutineIdiom, ClosureTemporaryInStatementWithoutAwait) {
  auto body = []() -> Task<int> {
    const Tracked captured(3);
    Task<int> child = invoke(
        [captured](int more) -> Task<int> {
          co_await Park();
          co_return captured.value() + more;
        },
        4);
    co_return co_await std::move(child);
  };
  EXPECT_EQ(body().run(), 7);
}

TEST_F(CoroutineIdiom, NamedCoroutineClosureOutlivesItsCall) {
  const Tracked captured(3);
  auto closure = [captured](int more) -> Task<int> {
    co_await Park();
    co_return captured.value() + more;
  };
  EXPECT_EQ(closure(4).run(), 7);
}

TEST_F(CoroutineIdiom, AwaiterWithConstructorAndNestedAwait) {
  auto body = []() -> Task<int> {
    const int a = co_await ParkWith(Tracked(1), 2);
    const int b = co_await ParkWith{Tracked(3), co_await immediate(4)};
    co_return a * 100 + b;
  };
  EXPECT_EQ(body().run(), 307);
}

TEST_F(CoroutineIdiom, AwaitInLogicalOperators) {
  auto body = [](bool shortcut) -> Task<int> {
    const bool both = co_await by_value(Tracked(1)) == 1 && co_await by_value(Tracked(2)) == 2;
    const bool either = shortcut || co_await by_value(Tracked(3)) == 3;
    co_return both&& either ? 1 : 0;
  };
  EXPECT_EQ(body(true).run(), 1);
  EXPECT_EQ(body(false).run(), 1);
}

TEST_F(CoroutineIdiom, AwaitInConditionsOfStatements) {
  auto body = []() -> Task<int> {
    int n = 0;
    while (co_await by_value(Tracked(n)) < 3) {
      ++n;
    }
    switch (co_await by_value(Tracked(2))) {
      case 2:
        n += 10;
        break;
      default:
        n = -1;
    }
    if (const int x = co_await by_value(Tracked(4)); x == 4) {
      n += 100;
    }
    for (int i = 0; i < co_await by_value(Tracked(2)); i += co_await by_value(Tracked(1))) {
      n += 1000;
    }
    co_return n;
  };
  EXPECT_EQ(body().run(), 2113);
}

TEST_F(CoroutineIdiom, IfElseChoosesClassValues) {
  auto body = [](bool awaited) -> Task<int> {
    Tracked result(0);
    if (awaited) {
      result = co_await make_tracked(1);
    } else {
      result = Tracked(2);
    }
    co_return result.value();
  };
  EXPECT_EQ(body(true).run(), 1);
  EXPECT_EQ(body(false).run(), 2);
}

TEST_F(CoroutineIdiom, NestedAwaitsAsArguments) {
  auto body = []() -> Task<int> {
    co_return co_await by_value(Tracked(co_await by_value(Tracked(5))));
  };
  EXPECT_EQ(body().run(), 5);
}

TEST_F(CoroutineIdiom, TaskPrvaluesAsArguments) {
  auto body = []() -> Task<int> {
    co_return co_await sum_of(by_value(Tracked(1)), by_value(Tracked(2)));
  };
  EXPECT_EQ(body().run(), 3);
}

TEST_F(CoroutineIdiom, RangeForOverAwaitedValue) {
  auto body = []() -> Task<int> {
    int sum = 0;
    for (const int value : co_await make_vector()) {
      sum += value + co_await immediate(1);
    }
    co_return sum;
  };
  EXPECT_EQ(body().run(), 9);
}

TEST_F(CoroutineIdiom, ConstReferenceExtendsAcrossSuspension) {
  auto body = []() -> Task<int> {
    const Tracked& extended = co_await make_tracked(3);
    co_await Park();
    co_return extended.value();
  };
  EXPECT_EQ(body().run(), 3);
}

TEST_F(CoroutineIdiom, NamedResultIsBound) {
  auto body = []() -> Task<int> {
    auto pair = co_await make_pair_of();
    auto& [tracked, number] = pair;
    co_await Park();
    co_return tracked.value() + number;
  };
  EXPECT_EQ(body().run(), 7);
  auto abandoned = body();
  abandoned.start();
  parked.resume();  // destroyed at the second suspension, with the pair alive
}

TEST_F(CoroutineIdiom, AwaitedStringIsAssigned) {
  auto body = []() -> Task<std::size_t> {
    std::string text;
    text = co_await make_string();
    text += co_await make_string();
    co_return text.size();
  };
  EXPECT_EQ(body().run(), 2 * kLong.size());
}

TEST_F(CoroutineIdiom, AwaiterMayThrowEverywhere) {
  auto body = []() -> Task<int> {
    int caught = 0;
    for (const Where where : {Where::kReady, Where::kSuspend, Where::kResume}) {
      try {
        const Tracked local(1);
        co_await Throwing(Tracked(2), where);
      } catch (const std::runtime_error&) {
        ++caught;
      }
    }
    co_return caught;
  };
  EXPECT_EQ(body().run(), 3);
}

TEST_F(CoroutineIdiom, ExceptionUnwindsThroughAwaits) {
  auto inner = []() -> Task<int> {
    const Tracked local(1);
    co_return co_await Throwing(Tracked(2), Where::kResume);
  };
  auto outer = [inner]() -> Task<int> {
    const Tracked local(3);
    co_return co_await inner();
  };
  EXPECT_THROW(outer().run(), std::runtime_error);
}

TEST_F(CoroutineIdiom, DestroyedWhileArgumentsArePending) {
  auto body = []() -> Task<int> {
    const Tracked local(1);
    const int a = co_await by_value(Tracked(2));
    co_return a + co_await ParkWith(Tracked(3), co_await take_options({Tracked(4), 5, kLong}));
  };
  // Abandoned at each of its suspension points in turn.
  for (int suspensions = 0; suspensions < 3; ++suspensions) {
    auto task = body();
    task.start();
    for (int i = 0; i < suspensions; ++i) {
      std::exchange(parked, nullptr).resume();
    }
  }
  EXPECT_EQ(body().run(), 2 + 3 + 9);
}

TEST_F(CoroutineIdiom, NeverStartedFrameFreesItsParameters) {
  auto task = by_value(Tracked(1));
  EXPECT_EQ(Tracked::alive, 1);
}

TEST_F(CoroutineIdiom, ByValueParameterIsMovedOnceAndNotCopied) {
  Tracked argument(1);
  EXPECT_EQ(by_value(std::move(argument)).run(), 1);
  EXPECT_EQ(Tracked::copies, 0);
  EXPECT_EQ(Tracked::moves, 2);  // into the parameter, then into the frame
}

#if RINGO_SYMMETRIC_TRANSFER
Task<std::uintptr_t> stack_address() {
  co_return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
}

TEST_F(CoroutineIdiom, SymmetricTransferDoesNotGrowTheStack) {
  auto body = []() -> Task<std::uintptr_t> {
    const std::uintptr_t first = co_await stack_address();
    std::uintptr_t last = first;
    for (int i = 0; i < 1000; ++i) {
      last = co_await stack_address();
    }
    co_return first > last ? first - last : last - first;
  };
  EXPECT_LT(body().run(), 1000U) << "bytes of stack for 1000 awaits of tasks that end at once";
}
#endif

// A coroutine that frees itself, and an awaiter in whose await_suspend it may be destroyed.
class Detached {
 public:
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

thread_local int per_thread = 0;

class Hop {
 public:
  explicit Hop(std::thread* thread) : thread_(thread) {}
  bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> self) {
    // The awaiter is gone as soon as the other thread runs: what is needed is taken before.
    std::thread* thread = thread_;
    std::thread started([self] { self.resume(); });
    thread->swap(started);
  }
  void await_resume() noexcept {}

 private:
  std::thread* thread_;
};

Detached read_around_hop(std::thread* thread, int* before, int* after) {
  *before = per_thread;
  co_await Hop(thread);
  *after = per_thread;
  per_thread = 5;
}

TEST_F(CoroutineIdiom, ThreadLocalIsReadAgainAfterHop) {
  std::thread thread;
  int before = -1;
  int after = -1;
  per_thread = 1;
  read_around_hop(&thread, &before, &after);
  thread.join();
  EXPECT_EQ(before, 1);
  EXPECT_EQ(after, 0);
  EXPECT_EQ(per_thread, 1);
}

// How each form of await_suspend behaves when the frame is destroyed inside it.
enum class Form { kVoid, kBool, kHandle };

template <Form kForm>
class DestroyedInside {
 public:
  explicit DestroyedInside(Tracked tracked) : tracked_(std::move(tracked)) {}
  bool await_ready() noexcept { return false; }
  auto await_suspend(std::coroutine_handle<> self) noexcept {
    self.destroy();
    if constexpr (kForm == Form::kBool) {
      return true;
    } else if constexpr (kForm == Form::kHandle) {
      return std::noop_coroutine();
    }
  }
  void await_resume() noexcept {}

 private:
  Tracked tracked_;
};

template <Form kForm>
Detached destroyed_inside(Tracked parameter) {
  const Tracked local(2);
  co_await DestroyedInside<kForm>(Tracked(3));
  ADD_FAILURE() << "a destroyed coroutine went on with " << parameter.value();
}

TEST_F(CoroutineIdiom, FrameMayBeDestroyedInAwaitSuspend) {
  destroyed_inside<Form::kVoid>(Tracked(1));
  destroyed_inside<Form::kBool>(Tracked(1));
  destroyed_inside<Form::kHandle>(Tracked(1));
}

// NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)

}  // namespace

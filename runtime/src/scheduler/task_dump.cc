// SPDX-License-Identifier: MIT
//
// A task dump as text.

#include <ringo/join_error.h>
#include <ringo/task_dump.h>

#include <chrono>
#include <cstddef>
#include <iterator>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace ringo {
namespace {

class DumpWriter {
 public:
  explicit DumpWriter(const TaskDump& dump) : dump_(dump) {}

  std::string write() {
    add("runtime \"{}\": {} tasks\n", dump_.runtime, dump_.tasks.size());
    for (const TaskReport& task : dump_.tasks) {
      write_task(task);
    }
    if (dump_.omitted_tasks != 0) {
      add("and {} tasks more\n", dump_.omitted_tasks);
    }
    for (const TaskDump::StuckWorker& stuck : dump_.stuck_workers) {
      write_stuck_worker(stuck);
    }
    return std::move(text_);
  }

 private:
  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
  }

  void write_heading(TaskId id, const std::string& name) {
    add("task {}", id.value());
    if (!name.empty()) {
      add(" \"{}\"", name);
    }
  }

  void write_task(const TaskReport& task) {
    write_heading(task.id, task.name);
    switch (task.activity) {
      case TaskActivity::kIdle:
        add(" waits");
        break;
      case TaskActivity::kReady:
        add(" is ready");
        break;
      case TaskActivity::kRunning:
        add(" runs");
        break;
    }
    add(", spawned at {}:{}\n", task.spawned_at.file_name(), task.spawned_at.line());
    if (task.activity == TaskActivity::kIdle) {
      write_chain(task.waits_at, 2);
    }
  }

  void write_chain(const AwaitChain& chain, std::size_t indent) {
    add("{:{}}for {}", "", indent, chain.operation.empty() ? "?" : chain.operation);
    if (chain.awaited_task) {
      add(" of task {}", chain.awaited_task->value());
    }
    if (chain.deadline) {
      add(", until {:.3f} s from now",
          std::chrono::duration<double>(*chain.deadline - dump_.taken_at).count());
    }
    if (chain.queue_position != 0) {
      add(", {} in the queue", chain.queue_position);
    }
    if (chain.locked_by) {
      add(", locked by task {}", chain.locked_by->value());
    }
    add("\n");
    for (const AwaitChain& branch : chain.branches) {
      write_chain(branch, indent + 4);
    }
    for (const std::source_location& frame : chain.frames) {
      add("{:{}}at {}:{} in {}\n", "", indent + 2, frame.file_name(), frame.line(),
          function_at(frame));
    }
    if (chain.omitted_frames != 0) {
      add("{:{}}and {} co_awaits more\n", "", indent + 2, chain.omitted_frames);
    }
  }

  void write_stuck_worker(const TaskDump::StuckWorker& stuck) {
    add("worker {} does not answer", stuck.worker);
    if (stuck.task != TaskId(0)) {
      add(": it runs ");
      write_heading(stuck.task, stuck.task_name);
      add(", spawned at {}:{}", stuck.spawned_at.file_name(), stuck.spawned_at.line());
    }
    add("\n");
    for (const std::string& line : stuck.stack) {
      add("    {}\n", line);
    }
  }

  const TaskDump& dump_;
  std::string text_;
};

}  // namespace

std::string TaskDump::to_string() const {
  return DumpWriter(*this).write();
}

std::string_view function_at(const std::source_location& where) noexcept {
  // g++ names the function that runs the frame: "void f(f(int)::_Z1fi.Frame*)". What one has
  // written is the type's scope, "f(int)".
  const std::string_view name = where.function_name();
  constexpr std::string_view kFrame = ".Frame*)";
  if (!name.ends_with(kFrame)) {
    return name;
  }
  std::size_t depth = 0;
  for (std::size_t at = name.size(); at-- > 0;) {
    if (name[at] == ')') {
      ++depth;
    } else if (name[at] == '(' && --depth == 0) {
      const std::string_view type = name.substr(at + 1);
      const std::size_t scope_end = type.rfind("::_Z");
      return scope_end == std::string_view::npos ? name : type.substr(0, scope_end);
    }
  }
  return name;
}

}  // namespace ringo

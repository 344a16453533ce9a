#include "traps/proof/prover.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <z3.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "traps/proof/proof_json.h"

namespace mathtrap {
namespace {

using Clock = std::chrono::steady_clock;

/// Questions to the solver for one record, at most: both obligations, all five types, and the cores. A worker that
/// takes longer than so many limits does not heed them.
constexpr double kQuestions = 12;
constexpr double kGraceSeconds = 2;
constexpr std::size_t kMaxReply = 16 << 20;

struct Worker {
  pid_t process = -1;
  int to = -1;
  int from = -1;
  std::size_t record = 0;  ///< the one that it works on
  bool busy = false;
  Clock::time_point deadline;
  std::string reply;
};

bool write_all(int file, const void* data, std::size_t size) {
  const auto* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::write(file, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes += written;
    size -= static_cast<std::size_t>(written);
  }
  return true;
}

bool read_all(int file, void* data, std::size_t size) {
  auto* bytes = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t got = ::read(file, bytes, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/// Makes the process die when the solver does not heed its own bound. Sanitizers reserve the whole address space.
void limit_address_space(const ProofLimits& limits) {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const rlim_t now = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
  const rlim_t most = now + (static_cast<rlim_t>(limits.megabytes) * 5 / 4 << 20);
  const rlimit limit{most, most};
  ::setrlimit(RLIMIT_AS, &limit);
}
#endif

void limit_memory(const ProofLimits& limits) {
  Z3_global_param_set("memory_max_size", std::to_string(limits.megabytes).c_str());
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  limit_address_space(limits);
#endif
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
}

[[noreturn]] void work(const std::vector<Record>& records, const ProofLimits& limits, int from, int to) {
  ::signal(SIGINT, SIG_IGN);  // the parent ends the work
  limit_memory(limits);
  std::size_t index = 0;
  while (read_all(from, &index, sizeof(index))) {
    std::string reply;
    try {
      reply = to_json(prove_here(records[index], limits)).dump(-1, ' ', true, Json::error_handler_t::replace);
    } catch (const Error& error) {
      reply = Json({{"error", error.what()}}).dump(-1, ' ', true, Json::error_handler_t::replace);
    }
    reply += '\n';
    if (!write_all(to, reply.data(), reply.size())) break;
  }
  ::_exit(0);
}

class Pool {
 public:
  Pool(const std::vector<Record>& records, const ProofLimits& limits, int workers)
      : records_(records), limits_(limits), workers_(static_cast<std::size_t>(std::max(workers, 1))) {
    ::signal(SIGPIPE, SIG_IGN);
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    for (Worker& worker : workers_) stop(worker);
  }

  std::vector<ProofResult> run(const std::function<void(std::size_t)>& took) {
    results_.resize(records_.size());
    while (finished_ < records_.size()) {
      for (Worker& worker : workers_) {
        if (!worker.busy && next_ < records_.size()) give(worker, next_++);
      }
      wait();
      if (took) took(finished_);
    }
    return std::move(results_);
  }

 private:
  void start(Worker& worker) {
    int down[2];
    int up[2];
    if (::pipe(down) != 0 || ::pipe(up) != 0) throw Error("cannot make a pipe to a prover process");
    worker.process = ::fork();
    if (worker.process < 0) throw Error("cannot start a prover process");
    if (worker.process == 0) {
      ::close(down[1]);
      ::close(up[0]);
      work(records_, limits_, down[0], up[1]);
    }
    ::close(down[0]);
    ::close(up[1]);
    worker.to = down[1];
    worker.from = up[0];
  }

  static void stop(Worker& worker) {
    if (worker.process < 0) return;
    ::kill(worker.process, SIGKILL);
    ::waitpid(worker.process, nullptr, 0);
    ::close(worker.to);
    ::close(worker.from);
    worker = Worker{};
  }

  void give(Worker& worker, std::size_t record) {
    if (worker.process < 0) start(worker);
    worker.record = record;
    worker.busy = true;
    worker.reply.clear();
    worker.deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                         std::chrono::duration<double>(kQuestions * limits_.seconds + kGraceSeconds));
    write_all(worker.to, &record, sizeof(record));  // a worker that is gone is noticed when it is read from
  }

  void wait() {
    std::vector<pollfd> files;
    std::vector<Worker*> owners;
    for (Worker& worker : workers_) {
      if (!worker.busy) continue;
      files.push_back({worker.from, POLLIN, 0});
      owners.push_back(&worker);
    }
    ::poll(files.data(), files.size(), 200);
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (files[i].revents != 0) {
        receive(*owners[i]);
      } else if (Clock::now() > owners[i]->deadline) {
        abandon(*owners[i], "the solver did not stop in time, and was stopped");
      }
    }
  }

  void receive(Worker& worker) {
    char buffer[65536];
    const ssize_t got = ::read(worker.from, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) return;
    if (got <= 0) return abandon(worker, "the solver broke down: out of memory, or a formula that it cannot bear");
    worker.reply.append(buffer, static_cast<std::size_t>(got));
    if (worker.reply.size() > kMaxReply) return abandon(worker, "the solver's reply is too long");
    if (worker.reply.back() != '\n') return;
    const Json json = Json::parse(worker.reply);
    if (json.contains("error")) throw Error(json.at("error").get<std::string>());
    finish(worker, proof_result_of(json));
  }

  void abandon(Worker& worker, const std::string& reason) {
    const std::size_t index = worker.record;
    stop(worker);
    ProofResult result;
    result.id = records_[index].id;
    result.trap_type = records_[index].trap_type;
    result.verdict = ProofVerdict::undecided;
    result.original = {ProofVerdict::undecided, reason, {}, {}, {}};
    result.trap = result.original;
    keep(index, std::move(result));
  }

  void finish(Worker& worker, ProofResult result) {
    worker.busy = false;
    keep(worker.record, std::move(result));
  }

  void keep(std::size_t index, ProofResult result) {
    result.place = records_[index].place;
    results_[index] = std::move(result);
    ++finished_;
  }

  const std::vector<Record>& records_;
  ProofLimits limits_;
  std::vector<Worker> workers_;
  std::vector<ProofResult> results_;
  std::size_t next_ = 0;
  std::size_t finished_ = 0;
};

}  // namespace

std::vector<ProofResult> prove_all(const std::vector<Record>& records, const ProofLimits& limits, int workers,
                                   const std::function<void(std::size_t)>& took) {
  return Pool(records, limits, workers).run(took);
}

}  // namespace mathtrap

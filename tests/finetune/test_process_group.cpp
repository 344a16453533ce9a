// The processes of one training, here as threads of one program that are connected as processes are; and what the
// environment says of them. Whole trainings of real processes are in tests/cli/test_training_processes.cpp.
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <string>
#include <thread>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <vector>

#include "finetune/gradient_reducer.h"
#include "finetune/optimizer.h"
#include "finetune/process_group.h"
#include "finetune/process_place.h"
#include "support/error.h"
#include "support/random.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

/// The variables that tell a process its place, with no others of their kind, until the end of a test.
class PlaceVariables {
 public:
  explicit PlaceVariables(const std::map<std::string, std::string>& variables) {
    for (const char* name : kNames) {
      if (const char* value = std::getenv(name)) before_[name] = value;
      ::unsetenv(name);
    }
    for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~PlaceVariables() {
    for (const char* name : kNames) ::unsetenv(name);
    for (const auto& [name, value] : before_) ::setenv(name.c_str(), value.c_str(), 1);
  }
  PlaceVariables(const PlaceVariables&) = delete;
  PlaceVariables& operator=(const PlaceVariables&) = delete;

 private:
  static constexpr const char* kNames[] = {"RANK",
                                           "WORLD_SIZE",
                                           "MASTER_ADDR",
                                           "MASTER_PORT",
                                           "SLURM_PROCID",
                                           "SLURM_NTASKS",
                                           "SLURM_NODELIST",
                                           "SLURM_LAUNCH_NODE_IPADDR",
                                           "SLURM_JOB_ID",
                                           "TORCHELASTIC_USE_AGENT_STORE",
                                           "TORCHELASTIC_RESTART_COUNT"};
  std::map<std::string, std::string> before_;
};

std::string message_of(const std::map<std::string, std::string>& variables) {
  const PlaceVariables environment(variables);
  try {
    read_process_place();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::uint16_t free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  REQUIRE(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), length) == 0);
  REQUIRE(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

/// Runs `body` as each of so many processes.
template <typename Body>
void as_processes(int count, const Body& body) {
  const std::uint16_t port = free_port();
  std::vector<std::thread> threads;
  for (int rank = 0; rank < count; ++rank) {
    threads.emplace_back([&, rank] {
      ProcessGroup group({rank, count, "127.0.0.1", port});
      body(group);
      group.finish();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Shapes that no number of processes divides evenly, and one matrix larger than all others together.
NamedTensors draw_weights() {
  Random random(5);
  NamedTensors weights;
  const std::vector<std::vector<std::int64_t>> shapes = {{40, 7}, {3}, {5, 3}, {7}};
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const at::Tensor weight = at::empty(shapes[i], at::kFloat);
    for (std::int64_t k = 0; k < weight.numel(); ++k) weight.data_ptr<float>()[k] = static_cast<float>(random.normal());
    weight.requires_grad_(true);
    weights.emplace_back(fmt::format("w{}", i), weight);
  }
  return weights;
}

void set_gradients(const NamedTensors& weights, std::uint64_t seed) {
  Random random(seed);
  for (const auto& [name, weight] : weights) {
    const at::Tensor gradient = at::empty(weight.sizes(), at::kFloat);
    for (std::int64_t k = 0; k < gradient.numel(); ++k) {
      gradient.data_ptr<float>()[k] = static_cast<float>(random.normal());
    }
    weight.mutable_grad() = gradient;
  }
}

std::vector<float> values_of(const NamedTensors& tensors) {
  std::vector<float> values;
  for (const auto& [name, tensor] : tensors) {
    values.insert(values.end(), tensor.data_ptr<float>(), tensor.data_ptr<float>() + tensor.numel());
  }
  return values;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(static_cast<double>(a[i]) - b[i]));
  return largest;
}

}  // namespace

TEST_CASE("torchrun's and Slurm's variables say which process this is") {
  struct Case {
    std::map<std::string, std::string> variables;
    ProcessPlace place;
  };
  const std::vector<Case> cases = {
      {{}, {}},
      {{{"MASTER_ADDR", "h"}, {"MASTER_PORT", "1"}}, {}},
      {{{"RANK", "0"}, {"WORLD_SIZE", "1"}}, {}},
      {{{"RANK", "2"}, {"WORLD_SIZE", "3"}, {"MASTER_ADDR", "h"}, {"MASTER_PORT", "29500"}}, {2, 3, "h", 29500}},
      {{{"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "2"}, {"SLURM_NODELIST", "n[3-4]"}, {"SLURM_JOB_ID", "12007"}},
       {1, 2, "n3", 20007}},
      {{{"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "2"}, {"SLURM_LAUNCH_NODE_IPADDR", "10.0.0.1"}, {"SLURM_JOB_ID", "5"}},
       {1, 2, "10.0.0.1", 20005}},
      {{{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}, {"MASTER_ADDR", "h"}, {"MASTER_PORT", "7"}}, {0, 2, "h", 7}},
      {{{"RANK", "0"},
        {"WORLD_SIZE", "2"},
        {"MASTER_ADDR", "h"},
        {"MASTER_PORT", "9"},
        {"TORCHELASTIC_USE_AGENT_STORE", "True"},
        {"TORCHELASTIC_RESTART_COUNT", "3"}},
       {0, 2, "h", 9, true, 3}},
      // torchrun under Slurm; shells that salloc and sbatch open.
      {{{"RANK", "1"},
        {"WORLD_SIZE", "2"},
        {"MASTER_ADDR", "h"},
        {"MASTER_PORT", "9"},
        {"SLURM_PROCID", "0"},
        {"SLURM_NTASKS", "8"}},
       {1, 2, "h", 9}},
      {{{"SLURM_NTASKS", "8"}}, {}},
      {{{"SLURM_PROCID", "0"}}, {}},
  };
  for (const Case& expected : cases) {
    const PlaceVariables environment(expected.variables);
    const ProcessPlace place = read_process_place();
    CHECK(place.rank == expected.place.rank);
    CHECK(place.processes == expected.place.processes);
    CHECK(place.master_address == expected.place.master_address);
    CHECK(place.master_port == expected.place.master_port);
    CHECK(place.port_is_served == expected.place.port_is_served);
    CHECK(place.restart == expected.place.restart);
  }
}

TEST_CASE("processes meet at the store that torchrun itself serves, also after it has started them again") {
  c10d::TCPStoreOptions options;
  options.isServer = true;
  options.port = 0;
  options.waitWorkers = false;
  c10d::TCPStore agent("127.0.0.1", options);
  for (const std::int64_t restart : {0, 1}) {
    std::vector<std::thread> threads;
    std::vector<double> sums(2);
    for (int rank = 0; rank < 2; ++rank) {
      threads.emplace_back([&, rank] {
        ProcessGroup group({rank, 2, "127.0.0.1", agent.getPort(), true, restart});
        sums[static_cast<std::size_t>(rank)] = group.sum(rank + 1.5);
        group.finish();
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(sums == std::vector<double>{4, 4});
  }
}

TEST_CASE("the first machine of Slurm's list") {
  CHECK(first_machine("node1") == "node1");
  CHECK(first_machine("node1,node2") == "node1");
  CHECK(first_machine("node[07-09,12],login") == "node07");
  CHECK(first_machine("rack[2,4]-node[10-11]") == "rack2-node10");
  CHECK(first_machine("gpu[5]-ib,x") == "gpu5-ib");
  CHECK(first_machine("").empty());
}

TEST_CASE("variables that make no sense are one line that names them") {
  const auto contains = [](const std::string& text, const std::string& part) {
    CHECK(text.find('\n') == std::string::npos);
    return text.find(part) != std::string::npos;
  };
  CHECK(contains(message_of({{"RANK", "0"}}), "WORLD_SIZE is not"));
  CHECK(contains(message_of({{"WORLD_SIZE", "2"}}), "RANK is not"));
  CHECK(contains(message_of({{"RANK", "x"}, {"WORLD_SIZE", "2"}}), "RANK=x"));
  CHECK(contains(message_of({{"RANK", "2"}, {"WORLD_SIZE", "2"}}),
                 "RANK=2 in the environment: a whole number from 0 to 1"));
  CHECK(contains(message_of({{"RANK", "-1"}, {"WORLD_SIZE", "2"}}), "RANK=-1"));
  CHECK(contains(message_of({{"RANK", "0"}, {"WORLD_SIZE", "0"}}), "WORLD_SIZE=0"));
  CHECK(contains(message_of({{"RANK", "0"}, {"WORLD_SIZE", "99999999999999999999"}}), "WORLD_SIZE=9999"));
  CHECK(contains(message_of({{"RANK", "0"}, {"WORLD_SIZE", "2"}}), "MASTER_ADDR is not"));
  CHECK(contains(message_of({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "h"}}), "MASTER_PORT is not"));
  for (const char* port : {"0", "65536", "29500x"}) {
    CHECK(contains(message_of({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "h"}, {"MASTER_PORT", port}}),
                   "MASTER_PORT="));
  }
  CHECK(contains(message_of({{"SLURM_PROCID", "2"}, {"SLURM_NTASKS", "2"}}), "SLURM_PROCID=2"));
  CHECK(contains(message_of({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "many"}}), "SLURM_NTASKS=many"));
  CHECK(contains(message_of({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}}), "SLURM_LAUNCH_NODE_IPADDR is not"));
  CHECK(contains(message_of({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}, {"SLURM_NODELIST", "n"}}),
                 "SLURM_JOB_ID is not"));
}

TEST_CASE("one process exchanges nothing and changes nothing") {
  ProcessGroup group;
  const at::Tensor tensor = at::full({3}, 2.0, at::kFloat);
  group.sum(tensor);
  group.broadcast(tensor);
  group.start_sum(tensor)();
  CHECK(tensor.data_ptr<float>()[2] == 2);
  CHECK(group.sum(1.5) == 1.5);
  CHECK_FALSE(group.any(false));
  CHECK(group.fail("x") == "x");
  group.finish();
}

TEST_CASE("three processes add, hand on and copy") {
  std::vector<std::vector<double>> found(3);
  as_processes(3, [&](ProcessGroup& group) {
    std::vector<double>& own = found[static_cast<std::size_t>(group.rank())];
    const at::Tensor tensor = at::full({1000}, group.rank() + 1.0, at::kFloat);
    group.sum(tensor);
    own.push_back(tensor.data_ptr<float>()[999]);
    own.push_back(group.any(group.rank() == 2) ? 1 : 0);
    own.push_back(group.any(false) ? 1 : 0);
    std::int64_t handed = group.rank();
    group.broadcast(std::span(&handed, 1), 1);
    own.push_back(static_cast<double>(handed));
    const at::Tensor copied = at::full({5}, group.rank(), at::kFloat);
    group.copy(copied, 2, 0);
    own.push_back(copied.data_ptr<float>()[4]);
  });
  CHECK(found[0] == std::vector<double>{6, 1, 0, 1, 2});
  CHECK(found[1] == std::vector<double>{6, 1, 0, 1, 1});
  CHECK(found[2] == std::vector<double>{6, 1, 0, 1, 2});
}

TEST_CASE("gradients become sums over processes, in several buckets, whatever each process used") {
  constexpr std::int64_t kCount = 700'000;  // a bucket each
  // By rank: the gradients of three weights after a first and a second step.
  std::vector<std::vector<std::vector<float>>> found(2);
  as_processes(2, [&](ProcessGroup& group) {
    std::vector<at::Tensor> weights;
    for (int i = 0; i < 3; ++i) weights.push_back(at::full({kCount}, 1.0, at::kFloat).requires_grad_(true));
    GradientReducer reducer(weights, group);
    const auto finish = [&] {
      reducer.finish();
      std::vector<float> ends;
      for (const at::Tensor& weight : weights) {
        for (const std::int64_t place : {std::int64_t{0}, kCount - 1})
          ends.push_back(weight.grad().data_ptr<float>()[place]);
        weight.mutable_grad().reset();
      }
      found[static_cast<std::size_t>(group.rank())].push_back(ends);
    };
    // Two passes, of which the second one does not use the same weights in both processes.
    weights[0].add(weights[1], 2).add(weights[2], 3).sum().backward();
    reducer.expect_last_backward();
    if (group.is_first()) {
      weights[0].mul(10).add(weights[1], 20).add(weights[2], 30).sum().backward();
    } else {
      weights[0].mul(100).add(weights[2], 300).sum().backward();
    }
    finish();
    // A process without a batch.
    if (group.is_first()) {
      reducer.expect_last_backward();
      weights[0].mul(5).add(weights[2], 7).sum().backward();
    }
    finish();
  });
  for (const auto& steps : found) {
    CHECK(steps[0] == std::vector<float>{112, 112, 24, 24, 336, 336});
    CHECK(steps[1] == std::vector<float>{5, 5, 0, 0, 7, 7});
  }
}

TEST_CASE("an optimiser that is shared out updates as one that is not, and each process keeps its part alone") {
  const OptimizerOptions options;
  const NamedTensors alone = draw_weights();
  AdamW whole(alone, options);
  std::vector<double> norms;
  for (std::uint64_t step = 0; step < 3; ++step) {
    set_gradients(alone, step);
    norms.push_back(whole.step(0.01));
  }
  constexpr std::int64_t kMomentBytes = 8;  // of one weight
  const std::int64_t elements = 40 * 7 + 3 + 5 * 3 + 7;
  CHECK(whole.moment_bytes() == kMomentBytes * elements);

  for (const int count : {2, 3}) {
    std::vector<std::vector<float>> weights(static_cast<std::size_t>(count));
    std::vector<std::int64_t> bytes(static_cast<std::size_t>(count));
    std::vector<double> differences(static_cast<std::size_t>(count));
    std::vector<float> gathered;
    std::vector<float> given_back;
    as_processes(count, [&](ProcessGroup& group) {
      const auto rank = static_cast<std::size_t>(group.rank());
      const NamedTensors own = draw_weights();
      AdamW part(own, options, &group);
      for (std::uint64_t step = 0; step < 3; ++step) {
        set_gradients(own, step);
        differences[rank] += std::abs(part.step(0.01) - norms[step]);
      }
      weights[rank] = values_of(own);
      bytes[rank] = part.moment_bytes();
      const NamedTensors moments = part.moments();
      AdamW next(own, options, &group);
      next.restore(3, moments);
      const NamedTensors again = next.moments();
      if (!group.is_first()) return;
      gathered = values_of(moments);
      given_back = values_of(again);
    });
    std::int64_t sum = 0;
    for (std::size_t rank = 0; rank < weights.size(); ++rank) {
      CHECK(largest_difference(weights[rank], values_of(alone)) < 1e-6);
      CHECK(differences[rank] < 1e-9);
      // An equal part, up to one element of each moment.
      CHECK(std::abs(bytes[rank] - kMomentBytes * elements / count) <= kMomentBytes);
      sum += bytes[rank];
    }
    CHECK(sum == kMomentBytes * elements);
    CHECK(largest_difference(gathered, values_of(whole.moments())) < 1e-6);
    CHECK(given_back == gathered);
  }
}

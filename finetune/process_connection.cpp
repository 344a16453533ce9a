#include "finetune/process_connection.h"

#include <fmt/format.h>

#include "support/error.h"

// LibTorch says whether it has Gloo; its headers are a package of their own.
#if defined(USE_C10D_GLOO) && __has_include(<gloo/rendezvous/store.h>)
#define MATHTRAP_GLOO
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string_view>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <utility>
#include <vector>

#include "finetune/process_watch.h"
#include "support/interrupt.h"
#endif

namespace mathtrap {

#ifdef MATHTRAP_GLOO
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using Store = c10::intrusive_ptr<c10d::Store>;

constexpr auto kMeeting = 120s;   // machines of a job do not start at the same moment
constexpr auto kExchange = 240h;  // a peer may be busy for long; that it is there at all, the watch sees to
constexpr int kGlooThreads = 2;   // exchanges that run at a time

/// LibTorch puts a stack trace below its messages.
std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

Store open_store(const ProcessPlace& place, bool serves) {
  c10d::TCPStoreOptions options;
  options.port = place.master_port;
  options.isServer = serves;
  options.waitWorkers = false;
  options.timeout = kMeeting;
  try {
    // torchrun's store keeps what processes wrote before they were started again.
    return c10::make_intrusive<c10d::PrefixStore>(fmt::format("mathtrap/{}", place.restart),
                                                  c10::make_intrusive<c10d::TCPStore>(place.master_address, options));
  } catch (const std::exception& error) {
    const std::string who = fmt::format("process {} of {}", place.rank, place.processes);
    if (serves) {
      throw Error(fmt::format("{}: port {} (MASTER_PORT) cannot be opened for the other processes: {}", who,
                              place.master_port, first_line(error.what())));
    }
    throw Error(fmt::format("{}: no process 0 at {}:{} (MASTER_ADDR, MASTER_PORT): {}", who, place.master_address,
                            place.master_port, first_line(error.what())));
  }
}

/// Waits until all processes have come.
void meet(const ProcessPlace& place, c10d::Store& store) {
  if (store.add(fmt::format("rank/{}", place.rank), 1) > 1) {
    throw Error(fmt::format("two processes say that they are number {} of {}: look at RANK or SLURM_PROCID", place.rank,
                            place.processes));
  }
  const steady_clock::time_point start = steady_clock::now();
  std::int64_t come = store.add("come", 1);
  while (come < place.processes) {
    if (interrupted()) throw Error("interrupted before all processes had come");
    if (steady_clock::now() - start > kMeeting) {
      throw Error(fmt::format("only {} of {} processes have come to {}:{} within {} s; were all of them started?", come,
                              place.processes, place.master_address, place.master_port, kMeeting.count()));
    }
    std::this_thread::sleep_for(20ms);
    come = store.add("come", 0);
  }
}

/// The address of this machine from which another one is reached; empty when none is.
std::string address_towards(const std::string& machine) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(machine.c_str(), "9", &hints, &found) != 0) return "";
  std::string address;
  // A datagram socket that is connected knows its own address, and nothing is sent.
  const int descriptor = ::socket(found->ai_family, SOCK_DGRAM, 0);
  sockaddr_storage own{};
  socklen_t length = sizeof(own);
  char text[NI_MAXHOST] = "";
  if (descriptor >= 0 && ::connect(descriptor, found->ai_addr, found->ai_addrlen) == 0 &&
      ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &length) == 0 &&
      ::getnameinfo(reinterpret_cast<sockaddr*>(&own), length, text, sizeof(text), nullptr, 0, NI_NUMERICHOST) == 0) {
    address = text;
  }
  if (descriptor >= 0) ::close(descriptor);
  ::freeaddrinfo(found);
  return address;
}

/// The network between the processes: that of $GLOO_SOCKET_IFNAME, as with torchrun, else the one that leads to the
/// first machine, and from there to the last.
std::shared_ptr<gloo::transport::Device> choose_device(const ProcessPlace& place, c10d::Store& store) {
  if (const char* name = std::getenv("GLOO_SOCKET_IFNAME"); name != nullptr && *name != '\0') {
    return c10d::ProcessGroupGloo::createDeviceForInterface(name);
  }
  std::string address;
  if (place.rank > 0) {
    address = address_towards(place.master_address);
    store.set(fmt::format("address/{}", place.rank), std::vector<std::uint8_t>(address.begin(), address.end()));
  } else {
    const std::vector<std::uint8_t> last = store.get(fmt::format("address/{}", place.processes - 1));
    address = address_towards(std::string(last.begin(), last.end()));
  }
  return address.empty() ? c10d::ProcessGroupGloo::createDefaultDevice()
                         : c10d::ProcessGroupGloo::createDeviceForHostname(address);
}

class GlooConnection : public ProcessConnection {
 public:
  explicit GlooConnection(const ProcessPlace& place)
      : store_(open_store(place, place.rank == 0 && !place.port_is_served)),
        // A connection of its own: LibTorch's other one may wait in a call for long.
        watch_store_(open_store(place, false)),
        watch_((meet(place, *store_), place),
               [this](const std::string& name, std::int64_t increase) { return watch_store_->add(name, increase); }) {
    guarded([&] {
      auto options = c10d::ProcessGroupGloo::Options::create(kExchange);
      options->devices = {choose_device(place, *store_)};
      options->threads = kGlooThreads;
      gloo_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store_, place.rank, place.processes, options);
    });
  }

  Wait start_sum(const at::Tensor& tensor) override {
    std::vector<at::Tensor> tensors = {tensor};
    auto work = guarded([&] { return gloo_->allreduce(tensors); });
    return [this, work] { guarded([&] { work->wait(); }); };
  }

  void broadcast(const at::Tensor& tensor, int from) override {
    std::vector<at::Tensor> tensors = {tensor};
    c10d::BroadcastOptions options;
    options.rootRank = from;
    guarded([&] { gloo_->broadcast(tensors, options)->wait(); });
  }

  void send(const at::Tensor& tensor, int to) override {
    std::vector<at::Tensor> tensors = {tensor};
    guarded([&] { gloo_->send(tensors, to, 0)->wait(); });
  }

  void receive(const at::Tensor& tensor, int from) override {
    std::vector<at::Tensor> tensors = {tensor};
    guarded([&] { gloo_->recv(tensors, from, 0)->wait(); });
  }

  void finish() override {
    watch_.expect_end();
    guarded([&] { gloo_->barrier()->wait(); });
    watch_.leave();
  }

  std::string fail(const std::string& message) override { return watch_.fail(message); }

 private:
  template <typename Exchange>
  auto guarded(Exchange&& exchange) -> decltype(exchange()) {
    try {
      return exchange();
    } catch (const std::exception& error) {
      watch_.connection_broke(first_line(error.what()));
    }
  }

  Store store_;
  Store watch_store_;
  ProcessWatch watch_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo_;
};

}  // namespace

std::unique_ptr<ProcessConnection> connect_processes(const ProcessPlace& place) {
  return std::make_unique<GlooConnection>(place);
}

#else

std::unique_ptr<ProcessConnection> connect_processes(const ProcessPlace& place) {
  throw Error(
      fmt::format("{} processes are asked for in the environment (WORLD_SIZE or SLURM_NTASKS), but this build "
                  "has no process groups: build it where the package libgloo-dev is installed",
                  place.processes));
}

#endif

}  // namespace mathtrap

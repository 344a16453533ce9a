#include "finetune/process_place.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <optional>

#include "support/error.h"

namespace mathtrap {
namespace {

constexpr std::int64_t kMostProcesses = 4096;
constexpr std::int64_t kMostRestarts = 1'000'000;
constexpr std::int64_t kLastPort = 65535;
constexpr std::int64_t kFirstJobPort = 20000;  // below the ports that systems hand out by themselves
constexpr std::int64_t kJobPorts = 12000;

/// A variable of the environment; an empty one counts as none.
std::optional<std::string> variable(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  return text;
}

std::int64_t parse_number(const char* name, const std::string& text, std::int64_t least, std::int64_t most) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most) {
    fail({}, fmt::format("{}={} in the environment: a whole number from {} to {} is needed", name, text, least, most));
  }
  return value;
}

std::string needed(const char* name, const char* beside) {
  std::optional<std::string> text = variable(name);
  if (!text) {
    throw Error(
        fmt::format("{} is set in the environment, {} is not: start the processes by scripts/launch-local, "
                    "torchrun or srun, or unset {}",
                    beside, name, beside));
  }
  return *text;
}

std::uint16_t parse_port(const std::string& text) {
  return static_cast<std::uint16_t>(parse_number("MASTER_PORT", text, 1, kLastPort));
}

ProcessPlace read_torchrun() {
  ProcessPlace place;
  place.processes = static_cast<int>(parse_number("WORLD_SIZE", needed("WORLD_SIZE", "RANK"), 1, kMostProcesses));
  place.rank = static_cast<int>(parse_number("RANK", needed("RANK", "WORLD_SIZE"), 0, place.processes - 1));
  if (place.processes == 1) return place;
  place.master_address = needed("MASTER_ADDR", "WORLD_SIZE");
  place.master_port = parse_port(needed("MASTER_PORT", "WORLD_SIZE"));
  place.port_is_served = variable("TORCHELASTIC_USE_AGENT_STORE") == "True";
  if (const auto restarts = variable("TORCHELASTIC_RESTART_COUNT")) {
    place.restart = parse_number("TORCHELASTIC_RESTART_COUNT", *restarts, 0, kMostRestarts);
  }
  return place;
}

std::string slurm_master() {
  if (const auto address = variable("MASTER_ADDR")) return *address;
  // The machine where srun was started is not always one of the job's.
  if (const auto machines = variable("SLURM_NODELIST")) return first_machine(*machines);
  return needed("SLURM_LAUNCH_NODE_IPADDR", "SLURM_NTASKS");
}

ProcessPlace read_slurm() {
  ProcessPlace place;
  place.processes =
      static_cast<int>(parse_number("SLURM_NTASKS", needed("SLURM_NTASKS", "SLURM_PROCID"), 1, kMostProcesses));
  place.rank =
      static_cast<int>(parse_number("SLURM_PROCID", needed("SLURM_PROCID", "SLURM_NTASKS"), 0, place.processes - 1));
  if (place.processes == 1) return place;
  place.master_address = slurm_master();
  if (const auto port = variable("MASTER_PORT")) {
    place.master_port = parse_port(*port);
    return place;
  }
  const std::int64_t job =
      parse_number("SLURM_JOB_ID", needed("SLURM_JOB_ID", "SLURM_NTASKS"), 0, std::int64_t{1} << 40);
  place.master_port = static_cast<std::uint16_t>(kFirstJobPort + job % kJobPorts);
  return place;
}

}  // namespace

std::string first_machine(std::string_view machines) {
  std::string name;
  bool in_brackets = false;
  bool passed_over = false;  // of what stands in brackets, the first number counts
  for (const char c : machines) {
    if (c == '[') {
      in_brackets = true;
      passed_over = false;
    } else if (c == ']') {
      in_brackets = false;
    } else if (!in_brackets) {
      if (c == ',') break;
      name += c;
    } else {
      passed_over = passed_over || c == ',' || c == '-';
      if (!passed_over) name += c;
    }
  }
  return name;
}

ProcessPlace read_process_place() {
  if (variable("RANK") || variable("WORLD_SIZE")) return read_torchrun();
  // A shell that salloc or sbatch opened has one of the two at most: what is started there is one process.
  if (variable("SLURM_PROCID") && variable("SLURM_NTASKS")) return read_slurm();
  return {};
}

}  // namespace mathtrap

// Which of several processes of one training this is, as torchrun or Slurm says in the environment.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mathtrap {

struct ProcessPlace {
  int rank = 0;                   ///< of this process, from 0
  int processes = 1;              ///< in all
  std::string master_address;     ///< of the machine of process 0; empty with one process
  std::uint16_t master_port = 0;  ///< where process 0, or torchrun itself, waits for the others
  bool port_is_served = false;    ///< torchrun itself has opened the port, and its store is to be used
  std::int64_t restart = 0;       ///< how often torchrun has started the processes again
};

/// From torchrun's variables (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT; TORCHELASTIC_USE_AGENT_STORE and
/// TORCHELASTIC_RESTART_COUNT where it sets them), else from Slurm's (SLURM_PROCID,
/// SLURM_NTASKS; MASTER_ADDR, else the first machine of SLURM_NODELIST, else SLURM_LAUNCH_NODE_IPADDR; MASTER_PORT,
/// else a port that follows from SLURM_JOB_ID). Without them: one process. Throws Error naming the variable that is
/// missing or makes no sense.
ProcessPlace read_process_place();

/// The first machine of a list as Slurm writes it: "node[07-09,12],login" begins with "node07".
std::string first_machine(std::string_view machines);

}  // namespace mathtrap

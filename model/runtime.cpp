#include "model/runtime.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>
#include <thread>

#include "support/log.h"

namespace mathtrap {
namespace {

/// Debian's reference BLAS gives 3.4 GFLOP/s on a machine where OpenBLAS gives 70 on one thread.
constexpr double kSlowestOptimisedGflops = 8;

bool has_avx512() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#else
  return false;
#endif
}

/// LibTorch's own kernels pick AVX2 where AVX-512 is not asked for. It is read at the first operation.
void choose_instruction_set() {
  if (has_avx512()) ::setenv("ATEN_CPU_CAPABILITY", "avx512", 0);
}

/// Large tensors come and go in every step: memory that goes back to the system each time costs a tenth of the time.
void keep_freed_memory() {
#if defined(__GLIBC__)
  constexpr int kLargestMmapThreshold = 32 << 20;  // glibc allows no more
  constexpr int kKeptBytes = 1 << 30;
  ::mallopt(M_MMAP_THRESHOLD, kLargestMmapThreshold);
  ::mallopt(M_TRIM_THRESHOLD, kKeptBytes);
#endif
}

/// Processor time of this thread, in seconds: what other programs take meanwhile does not count.
double thread_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Of one thread, so that none waits for another on a busy machine.
double product_gflops() {
  constexpr std::int64_t kSize = 256;
  constexpr int kRepetitions = 3;
  const at::NoGradGuard no_gradients;
  const at::Tensor matrix = at::ones({kSize, kSize}, at::kFloat);
  double seconds = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kRepetitions; ++i) {
    const double start = thread_seconds();
    at::mm(matrix, matrix);
    seconds = std::min(seconds, thread_seconds() - start);
  }
  return 2e-9 * static_cast<double>(kSize * kSize * kSize) / seconds;
}

/// Cores' worth of time that the control group grants; 0: no limit known.
int granted_threads() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  const double cores = std::strtod(quota.c_str(), nullptr) / period;
  return cores > 0 ? std::max(1, static_cast<int>(cores)) : 0;
}

}  // namespace

int available_threads() {
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof(allowed), &allowed) == 0) threads = CPU_COUNT(&allowed);
  const int granted = granted_threads();
  return granted > 0 ? std::min(threads, granted) : threads;
}

void prepare_runtime(int threads) {
  choose_instruction_set();
  keep_freed_memory();
  at::set_num_threads(1);
  const double speed = product_gflops();
  const int wanted = threads > 0 ? threads : available_threads();
  at::set_num_threads(wanted);
  if (at::get_num_threads() != wanted) {
    warn(fmt::format("LibTorch uses {} threads, not {}: it is built without OpenMP", at::get_num_threads(), wanted));
  }
  if (speed < kSlowestOptimisedGflops) {
    warn(
        fmt::format("products run at {:.1f} GFLOP/s: the BLAS is not an optimised one, training in f32 will be slow; "
                    "install libopenblas0-openmp",
                    speed));
  }
}

}  // namespace mathtrap

// The processes of one training: sums and copies of tensors between them by LibTorch's process groups (Gloo), and a
// watch that ends them all when one is gone. With one process everything here does nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "finetune/process_connection.h"
#include "finetune/process_place.h"

namespace mathtrap {

/// All processes call the functions that exchange anything in the same order, from one thread. Tensors are contiguous
/// and of the same shape everywhere. A process whose peer is gone does not come back from them: it says in one line who
/// it was and ends with status 2. So do the others, at the latest half a minute after a process has fallen silent.
class ProcessGroup {
 public:
  /// One process.
  ProcessGroup();
  /// Waits until all have come. Throws Error when they do not, or when this build has no process groups.
  explicit ProcessGroup(const ProcessPlace& place);
  ~ProcessGroup();
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;

  int rank() const { return place_.rank; }
  int size() const { return place_.processes; }
  bool is_first() const { return place_.rank == 0; }

  /// Each element becomes the sum over all processes, to the bit the same in all of them.
  void sum(const at::Tensor& tensor);
  void sum(std::span<double> values);
  double sum(double value);
  /// Whether any process says so.
  bool any(bool value);

  /// The elements become those of process `from`.
  void broadcast(const at::Tensor& tensor, int from = 0);
  void broadcast(std::span<double> values, int from = 0);
  void broadcast(std::span<std::int64_t> values, int from = 0);
  /// The elements of process `to` become those of process `from`; other processes need not call it.
  void copy(const at::Tensor& tensor, int from, int to);

  /// A sum that runs in the background: the tensor belongs to it until the returned function was called, which waits.
  std::function<void()> start_sum(const at::Tensor& tensor);

  /// The last call of a training that went well: waits for all.
  void finish();
  /// This process cannot go on, and `Error` says why: the others end too. Returns the line to print. Where another
  /// process has failed already, it is that one that speaks: this one ends here, with status 2.
  std::string fail(const std::string& message);

 private:
  ProcessPlace place_;
  std::unique_ptr<ProcessConnection> connection_;  ///< none with one process
};

}  // namespace mathtrap

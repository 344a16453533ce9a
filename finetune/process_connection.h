// How the processes of a training exchange tensors. The only place that knows LibTorch's process groups.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>

#include "finetune/process_place.h"

namespace mathtrap {

/// All processes call it in the same order. An exchange that does not succeed ends the process
/// (finetune/process_watch).
class ProcessConnection {
 public:
  /// Waits for an exchange that was started.
  using Wait = std::function<void()>;

  virtual ~ProcessConnection() = default;
  virtual Wait start_sum(const at::Tensor& tensor) = 0;
  virtual void broadcast(const at::Tensor& tensor, int from) = 0;
  virtual void send(const at::Tensor& tensor, int to) = 0;
  virtual void receive(const at::Tensor& tensor, int from) = 0;
  /// See ProcessGroup.
  virtual void finish() = 0;
  virtual std::string fail(const std::string& message) = 0;
};

/// Throws Error when the processes do not find each other, or when this build has no process groups.
std::unique_ptr<ProcessConnection> connect_processes(const ProcessPlace& place);

}  // namespace mathtrap

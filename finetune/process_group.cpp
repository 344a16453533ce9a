#include "finetune/process_group.h"

#include <ATen/ops/from_blob.h>

namespace mathtrap {
namespace {

at::Tensor as_tensor(std::span<double> values) {
  return at::from_blob(values.data(), {static_cast<std::int64_t>(values.size())}, at::kDouble);
}

at::Tensor as_tensor(std::span<std::int64_t> values) {
  return at::from_blob(values.data(), {static_cast<std::int64_t>(values.size())}, at::kLong);
}

}  // namespace

ProcessGroup::ProcessGroup() = default;
ProcessGroup::~ProcessGroup() = default;

ProcessGroup::ProcessGroup(const ProcessPlace& place) : place_(place) {
  if (place.processes > 1) connection_ = connect_processes(place);
}

void ProcessGroup::sum(const at::Tensor& tensor) {
  start_sum(tensor)();
}

void ProcessGroup::sum(std::span<double> values) {
  if (connection_) sum(as_tensor(values));
}

double ProcessGroup::sum(double value) {
  sum(std::span(&value, 1));
  return value;
}

bool ProcessGroup::any(bool value) {
  return sum(value ? 1.0 : 0.0) > 0;
}

void ProcessGroup::broadcast(const at::Tensor& tensor, int from) {
  if (connection_) connection_->broadcast(tensor, from);
}

void ProcessGroup::broadcast(std::span<double> values, int from) {
  if (connection_) broadcast(as_tensor(values), from);
}

void ProcessGroup::broadcast(std::span<std::int64_t> values, int from) {
  if (connection_) broadcast(as_tensor(values), from);
}

void ProcessGroup::copy(const at::Tensor& tensor, int from, int to) {
  if (from == to) return;
  if (rank() == from) connection_->send(tensor, to);
  if (rank() == to) connection_->receive(tensor, from);
}

std::function<void()> ProcessGroup::start_sum(const at::Tensor& tensor) {
  if (!connection_) return [] {};
  return connection_->start_sum(tensor);
}

void ProcessGroup::finish() {
  if (connection_) connection_->finish();
}

std::string ProcessGroup::fail(const std::string& message) {
  return connection_ ? connection_->fail(message) : message;
}

}  // namespace mathtrap

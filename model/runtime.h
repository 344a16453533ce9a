// What has to be set right before the first operation on tensors. Names no LibTorch type.
#pragma once

namespace mathtrap {

/// Threads that this process may use: its cores, or the processor time that its control group grants.
int available_threads();

/// Sets the number of threads (0: available_threads()), lets LibTorch use the widest instruction set that the machine
/// has, and warns in one line each of what would make everything slow: an unoptimised BLAS, a LibTorch without threads.
/// Call once, before any other function of model/ or finetune/.
void prepare_runtime(int threads);

}  // namespace mathtrap

// Number formats that kernels read and write. All arithmetic is f32.
#pragma once

namespace mathtrap {

enum class Element { f32, bf16, f16 };

}  // namespace mathtrap

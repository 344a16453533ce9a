// Start-up: threads, instruction set, and where models are found.
#include <ATen/Parallel.h>

#include <cstdlib>

#include "model/model_path.h"
#include "model/runtime.h"
#include "tests/catch.h"
#include "tests/model/scratch.h"

using namespace mathtrap;

TEST_CASE("the number of threads is the one asked for, or one a core") {
  prepare_runtime(1);
  CHECK(at::get_num_threads() == 1);
  prepare_runtime(0);
  CHECK(at::get_num_threads() == available_threads());
  CHECK(available_threads() >= 1);
}

TEST_CASE("a user's choice of instruction set is kept") {
  ::setenv("ATEN_CPU_CAPABILITY", "default", 1);
  prepare_runtime(1);
  const char* kept = std::getenv("ATEN_CPU_CAPABILITY");
  REQUIRE(kept != nullptr);
  CHECK(std::string(kept) == "default");
  ::unsetenv("ATEN_CPU_CAPABILITY");
}

TEST_CASE("a model's path is itself, one of the zoo's its folder, and anything else an error") {
  const ScratchFolder folder;
  const std::string file = folder.write("model.gguf", "x");
  CHECK(resolve_model_path(file) == file);
  CHECK(contains(error_of([] { resolve_model_path("no/such/model"); }), "no such file or folder"));
  CHECK(contains(error_of([] { resolve_model_path("zoo:no-such-model"); }), "not in the zoo"));
  CHECK(contains(error_of([] { resolve_model_path("zoo:../zoo"); }), "not in the zoo"));
  CHECK(contains(error_of([] { resolve_model_path("zoo:"); }), "not in the zoo"));
}

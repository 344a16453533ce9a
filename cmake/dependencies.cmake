# Everything that comes from the distribution. LibTorch of another kind (CUDA) is found through CMAKE_PREFIX_PATH.
find_package(Torch REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto SSL)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(re2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(icu REQUIRED IMPORTED_TARGET icu-uc)
pkg_check_modules(hwy REQUIRED IMPORTED_TARGET libhwy)
pkg_check_modules(ginac REQUIRED IMPORTED_TARGET ginac)
pkg_check_modules(z3 REQUIRED IMPORTED_TARGET z3)
pkg_check_modules(sqlite3 REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(lemon REQUIRED IMPORTED_TARGET lemon)
pkg_check_modules(libcurl REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(sentencepiece REQUIRED IMPORTED_TARGET sentencepiece)

# METIS has neither a CMake package nor a pkg-config file.
find_library(METIS_LIBRARY metis REQUIRED)
find_path(METIS_INCLUDE_DIR metis.h REQUIRED)
add_library(metis INTERFACE)
target_link_libraries(metis INTERFACE ${METIS_LIBRARY})
target_include_directories(metis SYSTEM INTERFACE ${METIS_INCLUDE_DIR})

# LibTorch as system headers, so that our warnings do not apply to them.
add_library(mathtrap_torch INTERFACE)
target_link_libraries(mathtrap_torch INTERFACE ${TORCH_LIBRARIES})
target_include_directories(mathtrap_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
separate_arguments(torch_flags UNIX_COMMAND "${TORCH_CXX_FLAGS}")
target_compile_options(mathtrap_torch INTERFACE ${torch_flags})
# Clang 14 instantiates C++20's vector of a type that LibTorch 1.13 has only declared there; this header completes it.
target_compile_options(mathtrap_torch INTERFACE "$<$<CXX_COMPILER_ID:Clang>:SHELL:-include ATen/core/ivalue.h>")

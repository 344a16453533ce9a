# How our own code is compiled: warnings are errors, ccache when present, sanitizers on request.
find_program(CCACHE ccache)
if(CCACHE)
  # The sloppiness lets ccache work with precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
endif()

add_library(mathtrap_options INTERFACE)
target_include_directories(mathtrap_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(mathtrap_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                       -Wno-sign-conversion -Wnon-virtual-dtor -Woverloaded-virtual -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # ccache and precompiled headers need it; GCC's own default drops what ccache hashes.
  target_compile_options(mathtrap_options INTERFACE -fpch-preprocess)
endif()
if(MATHTRAP_SANITIZE)
  add_compile_options(-fsanitize=${MATHTRAP_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MATHTRAP_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # What the sanitizers add confuses this warning, in the standard library's own headers too.
    target_compile_options(mathtrap_options INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
if(MATHTRAP_FUZZ)
  # Coverage of all of our code steers the fuzzers.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# mathtrap_library(NAME libraries…): the library of the calling folder, from all of its .cpp files.
function(mathtrap_library name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC mathtrap_options ${ARGN})
endfunction()

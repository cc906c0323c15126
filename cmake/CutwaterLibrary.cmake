# Compile and link options shared by every target, and the one rule that makes a folder of src/ a library with
# its unit tests (x_test.cc beside x.cc) and fuzz targets (x_fuzz.cc).

add_library(cutwater_options INTERFACE)
target_include_directories(cutwater_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_definitions(cutwater_options INTERFACE CUTWATER_VERSION="${PROJECT_VERSION}" _GLIBCXX_ASSERTIONS)
target_compile_options(cutwater_options INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Woverloaded-virtual -Werror
  -fno-strict-aliasing -fstack-protector-strong -fvisibility=hidden)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 warns of uninitialised members inside coroutine frames it made itself, and with optimisation of
  # overflows inside its own std::string (GCC bugs 105329, 105651). clang checks the same code without them.
  target_compile_options(cutwater_options INTERFACE -Wno-maybe-uninitialized -Wno-array-bounds
    -Wno-stringop-overflow -Wno-stringop-overread -Wno-restrict)
endif()

if(CUTWATER_SANITIZE)
  target_compile_options(cutwater_options INTERFACE -fsanitize=${CUTWATER_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(cutwater_options INTERFACE -fsanitize=${CUTWATER_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # Clang 14's check of indirect calls cannot be compiled in coroutines ("difference across sections").
    target_compile_options(cutwater_options INTERFACE -fno-sanitize=function)
  endif()
else()
  # The hardened release build; tests/features/test_hardening.py reads the result back from the binary.
  target_compile_options(cutwater_options INTERFACE -fstack-clash-protection)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    target_compile_options(cutwater_options INTERFACE -fcf-protection)
  endif()
  # Both as options: CMake puts definitions before options, and the undefining must come first.
  target_compile_options(cutwater_options INTERFACE
    "$<$<CONFIG:Release>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=3>")
  target_link_options(cutwater_options INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
endif()

# One precompiled header for all libraries and one for all unit tests: the standard library and GoogleTest only, so
# that a changed file of ours never rebuilds it. GCC alone: clang compiles no more than the fuzz targets.
option(CUTWATER_PRECOMPILE "Use precompiled headers" ON)
if(CUTWATER_PRECOMPILE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(empty ${CMAKE_BINARY_DIR}/precompiled.cc)
  if(NOT EXISTS ${empty})
    file(WRITE ${empty} "")
  endif()
  add_library(cutwater_precompiled STATIC ${empty})
  target_link_libraries(cutwater_precompiled PRIVATE cutwater_options)
  target_precompile_headers(cutwater_precompiled PRIVATE <algorithm> <array> <atomic> <chrono> <coroutine> <cstdint>
    <cstring> <deque> <functional> <map> <memory> <optional> <span> <string> <string_view> <unordered_map> <utility>
    <variant> <vector>)
  if(CUTWATER_TESTS)
    # A program, since programs are compiled with -fPIE and libraries with -fPIC, and the two must not be mixed.
    add_executable(cutwater_precompiled_tests ${empty})
    target_link_libraries(cutwater_precompiled_tests PRIVATE cutwater_options GTest::gtest GTest::gmock_main)
    target_precompile_headers(cutwater_precompiled_tests PRIVATE <gmock/gmock.h> <gtest/gtest.h> <map> <memory>
      <optional> <span> <string> <string_view> <variant> <vector>)
  endif()
endif()

function(cutwater_precompile target header)
  if(TARGET ${header})
    target_precompile_headers(${target} REUSE_FROM ${header})
  endif()
endfunction()

if(CUTWATER_FUZZ)
  add_custom_target(fuzzers)  # all of them, and no more than they need
endif()

# cutwater_library(codec/http1 DEPENDS base message) makes target cutwater_codec_http1 from src/codec/http1/*.cc.
function(cutwater_library folder)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  string(REPLACE "/" "_" name ${folder})
  set(target cutwater_${name})
  set(directory ${CMAKE_SOURCE_DIR}/src/${folder})
  file(GLOB sources CONFIGURE_DEPENDS ${directory}/*.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(fuzzers ${sources})
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz)\\.cc$")

  set(libraries cutwater_options)
  foreach(dependency ${ARG_DEPENDS})
    string(REPLACE "/" "_" dependency_name ${dependency})
    if(TARGET cutwater_${dependency_name})
      list(APPEND libraries cutwater_${dependency_name})
    else()
      list(APPEND libraries ${dependency})
    endif()
  endforeach()
  if(sources)
    add_library(${target} STATIC ${sources})
    target_link_libraries(${target} PUBLIC ${libraries})
    cutwater_precompile(${target} cutwater_precompiled)
    set(usable ${target})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${libraries})
  endif()

  if(CUTWATER_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ${target} GTest::gtest GTest::gmock GTest::gtest_main)
    cutwater_precompile(${name}_test cutwater_precompiled_tests)
    add_test(NAME ${name} COMMAND ${name}_test)
  endif()
  if(CUTWATER_FUZZ)
    foreach(fuzzer ${fuzzers})
      get_filename_component(fuzzer_name ${fuzzer} NAME_WE)
      add_executable(${name}_${fuzzer_name} ${fuzzer})
      target_link_libraries(${name}_${fuzzer_name} PRIVATE ${target})
      target_link_options(${name}_${fuzzer_name} PRIVATE -fsanitize=fuzzer)
      add_dependencies(fuzzers ${name}_${fuzzer_name})
      set_target_properties(${name}_${fuzzer_name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzzers)
    endforeach()
  endif()
endfunction()

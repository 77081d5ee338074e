# avatar_rt_add_stages(NAME FLAGS…) compiles csrc/cpu's stages once for one instruction set, in a
# namespace of its own, and adds them to AVATAR_RT_STAGES. No other file gets such flags: code that
# the linker may merge (inline functions, templates) must run on every processor.
include(CheckCXXCompilerFlag)

set(AVATAR_RT_STAGES "")
set(AVATAR_RT_ISAS "")

function(avatar_rt_add_stages name)
  add_library(avatar_rt_${name} OBJECT
    csrc/cpu/table.cpp csrc/cpu/animate.cpp csrc/cpu/project.cpp csrc/cpu/blend.cpp
    csrc/cpu/adjoint.cpp csrc/cpu/splat_adjoint.cpp csrc/cpu/project_adjoint.cpp
    csrc/cpu/shade.cpp csrc/cpu/place.cpp csrc/cpu/animate_adjoint.cpp)
  target_include_directories(avatar_rt_${name} PRIVATE csrc)
  target_compile_definitions(avatar_rt_${name} PRIVATE AVATAR_RT_ISA=${name})
  target_link_libraries(avatar_rt_${name} PRIVATE avatar_rt_flags)
  target_compile_options(avatar_rt_${name} PRIVATE ${ARGN})
  string(TOUPPER ${name} upper)
  set(AVATAR_RT_STAGES ${AVATAR_RT_STAGES} $<TARGET_OBJECTS:avatar_rt_${name}> PARENT_SCOPE)
  set(AVATAR_RT_ISAS ${AVATAR_RT_ISAS} AVATAR_RT_WITH_${upper} PARENT_SCOPE)
endfunction()

option(AVATAR_RT_BASELINE_ONLY "Leave out what only newer processors run (quicker to build)" OFF)

avatar_rt_add_stages(baseline)
if(NOT AVATAR_RT_BASELINE_ONLY AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(avx2 -mavx2 -mfma -mbmi -mbmi2 -mlzcnt -mpopcnt -mtune=generic)
  set(avx512 ${avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vbmi -mavx512vbmi2
             -mprefer-vector-width=512)
  string(JOIN " " flags ${avx512})
  check_cxx_compiler_flag("${flags}" AVATAR_RT_COMPILES_AVX512)
  avatar_rt_add_stages(avx2 ${avx2})
  if(AVATAR_RT_COMPILES_AVX512)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
      # GCC's own avx512fintrin.h sets it off (GCC bug 105593)
      list(APPEND avx512 -Wno-maybe-uninitialized -Wno-uninitialized)
    endif()
    avatar_rt_add_stages(avx512 ${avx512})
  endif()
endif()

# The linker must find nothing to merge in them; see check_symbols.cmake.
function(avatar_rt_check_stages target)
  if(NOT CMAKE_NM OR AVATAR_RT_SANITIZE)
    return()
  endif()
  set(severity WARNING)
  if(AVATAR_RT_WERROR)
    set(severity FATAL_ERROR)
  endif()
  string(REPLACE ";" "|" objects "${AVATAR_RT_STAGES}")
  string(REGEX REPLACE "\\$<TARGET_OBJECTS:([a-z0-9_]+)>" "$<JOIN:$<TARGET_OBJECTS:\\1>,|>"
         objects "${objects}")
  add_custom_command(TARGET ${target} PRE_LINK VERBATIM
    COMMAND "${CMAKE_COMMAND}" "-DNM=${CMAKE_NM}" "-DOBJECTS=${objects}" -DSEVERITY=${severity}
            -P "${CMAKE_CURRENT_SOURCE_DIR}/cmake/check_symbols.cmake")
endfunction()

# The CUDA core, csrc/cuda: the target avatar_rt_cuda, compiled by nvcc, or, for tests, by the C++
# compiler against the emulator in tests/cuda/emulator. AVATAR_RT_CUDA_STATUS says what became of it.
if(NOT AVATAR_RT_CUDA MATCHES "^(AUTO|ON|OFF|EMULATED)$")
  message(FATAL_ERROR "AVATAR_RT_CUDA is '${AVATAR_RT_CUDA}'; it must be AUTO, ON, OFF or EMULATED")
endif()

set(sources
  animate.cu animate_adjoint.cu animator.cpp avatar.cpp blend.cu blend_adjoint.cu device.cpp
  enter.cu painter.cpp plan.cpp project_adjoint.cu project_array.cu project_rig.cu resident.cpp
  runtime.cpp shade.cu skin.cu sort.cu splats.cpp workspaces.cpp)
list(TRANSFORM sources PREPEND "${PROJECT_SOURCE_DIR}/csrc/cuda/")

if(AVATAR_RT_CUDA STREQUAL "OFF")
  set(AVATAR_RT_CUDA_STATUS "switched off when this was built (AVATAR_RT_CUDA=OFF)")
elseif(AVATAR_RT_CUDA STREQUAL "EMULATED")
  add_subdirectory(tests/cuda/emulator)
  add_library(avatar_rt_cuda STATIC ${sources})
  avatar_rt_emulate(${sources})
  target_link_libraries(avatar_rt_cuda PUBLIC avatar_rt_emulated)
  set(AVATAR_RT_CUDA_STATUS "emulated on the processor, for tests")
else()
  include(nvcc)
  if(AVATAR_RT_NVCC_PROBLEM)
    set(AVATAR_RT_CUDA_STATUS "built without CUDA: ${AVATAR_RT_NVCC_PROBLEM}")
    if(AVATAR_RT_CUDA STREQUAL "ON")
      message(FATAL_ERROR "AVATAR_RT_CUDA=ON, but ${AVATAR_RT_NVCC_PROBLEM}")
    endif()
  else()
    add_library(avatar_rt_cuda STATIC ${sources})
    target_link_libraries(avatar_rt_cuda PRIVATE avatar_rt_flags avatar_rt_nvcc)
    target_include_directories(avatar_rt_cuda SYSTEM PRIVATE
      ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
    target_link_libraries(avatar_rt_cuda INTERFACE
      "${AVATAR_RT_CUDART}" Threads::Threads ${CMAKE_DL_LIBS} rt)
    list(JOIN CMAKE_CUDA_ARCHITECTURES ", " architectures)
    set(AVATAR_RT_CUDA_STATUS "nvcc ${CMAKE_CUDA_COMPILER_VERSION}, for ${architectures}")
  endif()
endif()

if(TARGET avatar_rt_cuda)
  target_include_directories(avatar_rt_cuda PRIVATE csrc)
  target_compile_definitions(avatar_rt_cuda INTERFACE AVATAR_RT_WITH_CUDA=1)
endif()
message(STATUS "CUDA: ${AVATAR_RT_CUDA_STATUS}")

# The CUDA core, csrc/cuda: the target avatar_rt_cuda, compiled by nvcc, or, for tests, by the C++
# compiler against the emulator in tests/cuda/emulator. AVATAR_RT_CUDA_STATUS says what became of it.
if(NOT AVATAR_RT_CUDA MATCHES "^(AUTO|ON|OFF|EMULATED)$")
  message(FATAL_ERROR "AVATAR_RT_CUDA is '${AVATAR_RT_CUDA}'; it must be AUTO, ON, OFF or EMULATED")
endif()

set(AVATAR_RT_CUDA_SOURCES
  avatar.cpp blend.cu blend_adjoint.cu device.cpp enter.cu painter.cpp plan.cpp project.cu
  project_adjoint.cu resident.cpp runtime.cpp shade.cu skin.cu sort.cu splats.cpp)
list(TRANSFORM AVATAR_RT_CUDA_SOURCES PREPEND "${PROJECT_SOURCE_DIR}/csrc/cuda/")

if(AVATAR_RT_CUDA STREQUAL "OFF")
  set(AVATAR_RT_CUDA_STATUS "switched off when this was built (AVATAR_RT_CUDA=OFF)")
elseif(AVATAR_RT_CUDA STREQUAL "EMULATED")
  add_subdirectory(tests/cuda/emulator)
  if(AVATAR_RT_CUDA_SOURCES)
    add_library(avatar_rt_cuda STATIC ${AVATAR_RT_CUDA_SOURCES})
    avatar_rt_emulate(${AVATAR_RT_CUDA_SOURCES})
    target_link_libraries(avatar_rt_cuda PUBLIC avatar_rt_emulated)
  endif()
  set(AVATAR_RT_CUDA_STATUS "emulated on the processor, for tests")
else()
  set(AVATAR_RT_CUDA_STATUS "no CUDA core in this version")
endif()

if(TARGET avatar_rt_cuda)
  target_include_directories(avatar_rt_cuda PRIVATE csrc)
  target_compile_definitions(avatar_rt_cuda INTERFACE AVATAR_RT_WITH_CUDA=1)
endif()
message(STATUS "CUDA: ${AVATAR_RT_CUDA_STATUS}")

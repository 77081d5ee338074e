# Looks for nvcc (on the PATH, in CUDA's own folder, or in the Python package nvidia-cuda-nvcc) and
# says what becomes of it: AVATAR_RT_CUDA_STATUS is what avatar_rt._core.cuda_status() answers.
if(NOT AVATAR_RT_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "AVATAR_RT_CUDA is '${AVATAR_RT_CUDA}'; it must be AUTO, ON or OFF")
endif()

if(AVATAR_RT_CUDA STREQUAL "OFF")
  set(AVATAR_RT_CUDA_STATUS "switched off when this was built (AVATAR_RT_CUDA=OFF)")
elseif(AVATAR_RT_CUDA STREQUAL "ON")
  message(FATAL_ERROR "AVATAR_RT_CUDA=ON, but this version has no CUDA core; use AUTO or OFF")
else()
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -c "import nvidia.cuda_nvcc as n; print(list(n.__path__)[0])"
    OUTPUT_VARIABLE nvcc_package OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  find_program(AVATAR_RT_NVCC nvcc HINTS "${nvcc_package}/bin" ENV CUDA_HOME PATH_SUFFIXES bin)
  if(AVATAR_RT_NVCC)
    set(AVATAR_RT_CUDA_STATUS "no CUDA core in this version (nvcc was found)")
  else()
    set(AVATAR_RT_CUDA_STATUS "no CUDA core in this version (and no nvcc was found)")
  endif()
endif()
message(STATUS "CUDA: ${AVATAR_RT_CUDA_STATUS}")

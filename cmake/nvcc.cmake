# Finds nvcc and makes CUDA a language of this build, or says in AVATAR_RT_NVCC_PROBLEM why it cannot.
# nvcc may be on the PATH, in CUDA_HOME, in CUDA's usual folder, or in the interpreter's environment,
# where the packages nvidia-cuda-nvcc and nvidia-cuda-runtime (13 and later) put it. CUDACXX and
# CMAKE_CUDA_COMPILER name another one. An isolated pip build sees only its own environment's packages.
set(AVATAR_RT_NVCC_PROBLEM "")

execute_process(
  COMMAND "${Python_EXECUTABLE}" -c "import nvidia; print(';'.join(nvidia.__path__))"
  OUTPUT_VARIABLE packages OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
list(TRANSFORM packages APPEND "/cu*")
file(GLOB packages LIST_DIRECTORIES true ${packages})
list(SORT packages COMPARE NATURAL ORDER DESCENDING)
find_program(AVATAR_RT_NVCC nvcc HINTS ENV CUDA_HOME PATHS ${packages} /usr/local/cuda
             PATH_SUFFIXES bin)

if(NOT DEFINED CMAKE_CUDA_COMPILER)
  if(NOT DEFINED ENV{CUDACXX})
    if(NOT AVATAR_RT_NVCC)
      set(AVATAR_RT_NVCC_PROBLEM "no nvcc was found")
      return()
    endif()
    set(ENV{CUDACXX} "${AVATAR_RT_NVCC}")
  endif()
  if(NOT DEFINED ENV{CUDAHOSTCXX})
    set(ENV{CUDAHOSTCXX} "${CMAKE_CXX_COMPILER}")
  endif()
  # the packages' nvcc looks for its libraries in a folder lib64, which they call lib
  get_filename_component(folder "$ENV{CUDACXX}" REALPATH)
  set(ENV{LIBRARY_PATH} "${folder}/../../lib:$ENV{LIBRARY_PATH}")
  include(CheckLanguage)
  check_language(CUDA)   # in a project of its own, for enable_language stops where it fails
  if(NOT CMAKE_CUDA_COMPILER)
    unset(CMAKE_CUDA_COMPILER CACHE)
    set(AVATAR_RT_NVCC_PROBLEM "$ENV{CUDACXX} does not work with ${CMAKE_CXX_COMPILER}")
    return()
  endif()
endif()
set(chosen FALSE)
if(DEFINED CMAKE_CUDA_ARCHITECTURES OR DEFINED ENV{CUDAARCHS})
  set(chosen TRUE)
endif()
enable_language(CUDA)
if(NOT chosen)
  # code for the generations themselves, and PTX of the last one for what comes after
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.8)
    set(architectures 80-real 90-real 100-real 120)
  else()
    set(architectures 80-real 90)
  endif()
  set(CMAKE_CUDA_ARCHITECTURES "${architectures}" CACHE STRING "CUDA architectures" FORCE)
endif()
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.0)
  set(AVATAR_RT_NVCC_PROBLEM
      "${CMAKE_CUDA_COMPILER} is version ${CMAKE_CUDA_COMPILER_VERSION}; C++20 takes 12.0")
  return()
endif()
find_library(AVATAR_RT_CUDART cudart_static HINTS ${CMAKE_CUDA_IMPLICIT_LINK_DIRECTORIES}
             "${CMAKE_CUDA_COMPILER_TOOLKIT_ROOT}/lib")
if(NOT AVATAR_RT_CUDART)
  set(AVATAR_RT_NVCC_PROBLEM "${CMAKE_CUDA_COMPILER} comes without libcudart_static.a")
  return()
endif()

set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)   # CMake before 3.26 does not know that nvcc 12 has it
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
endif()
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)

add_library(avatar_rt_nvcc INTERFACE)
target_compile_options(avatar_rt_nvcc INTERFACE
  $<$<COMPILE_LANGUAGE:CUDA>:-lineinfo -Xcompiler=-Wall,-Wextra>)
if(AVATAR_RT_WERROR)
  target_compile_options(avatar_rt_nvcc INTERFACE
    "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-Werror all-warnings -Xcompiler=-Werror>")
endif()

#!/usr/bin/env bash
# The native core under sanitizers, with every instruction set that this processor has: the fuzzer,
# the pool of threads, and each instruction set's pictures against the others'. Where a cross
# compiler and an emulator are installed, the same on aarch64, without sanitizers. Needs CMake, Ninja
# and a C++ compiler, but no Python.
#
#   scripts/sanitize.sh [SECONDS]     fuzzing for each sanitizer and instruction set (default 10)
#
# SANITIZERS (default "address thread aarch64") chooses, SEED (default 0) starts another sequence,
# BUILD_DIR (default build/sanitize) holds the builds, CMAKE_BUILD_PARALLEL_LEVEL limits their jobs.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-10}
seed=${SEED:-0}
builds=${BUILD_DIR:-build/sanitize}
pictures=$(mktemp -d)
trap 'rm -rf "$pictures"' EXIT

build() {  # build NAME CMAKE-OPTION…
  local name=$1
  shift
  cmake --no-warn-unused-cli -S . -B "$builds/$name" -G Ninja -DCMAKE_BUILD_TYPE=None \
    -DAVATAR_RT_WERROR=ON -DAVATAR_RT_PYTHON=OFF -DAVATAR_RT_NATIVE_TESTS=ON "$@" >/dev/null
  cmake --build "$builds/$name" >"$builds/$name.log" 2>&1 || { cat "$builds/$name.log"; exit 1; }
}

check() {  # check NAME [EMULATOR…]: the programs of that build
  local name=$1 programs="$builds/$1/tests/native/cpp" isa
  shift
  for isa in $("$@" "$programs/native_fuzz" --isas); do
    export AVATAR_RT_ISA=$isa
    "$@" "$programs/native_fuzz" --seconds "$seconds" --seed "$seed"
    "$@" "$programs/native_pool" >"$pictures/pool" || { cat "$pictures/pool"; exit 1; }
    "$@" "$programs/native_pictures" write "$pictures/$name.$isa" >/dev/null
    first=${first:-$pictures/$name.$isa}
    "$@" "$programs/native_pictures" compare "$first" "$pictures/$name.$isa" 60
  done
  unset AVATAR_RT_ISA
}

for sanitizer in ${SANITIZERS:-address thread aarch64}; do
  echo "== $sanitizer"
  case $sanitizer in
    address)
      build address -DCMAKE_CXX_FLAGS=-O1 -DAVATAR_RT_SANITIZE=address,undefined,float-cast-overflow
      check address
      ;;
    thread)
      build thread -DCMAKE_CXX_FLAGS=-O1 -DAVATAR_RT_SANITIZE=thread
      check thread
      ;;
    aarch64)
      if command -v aarch64-linux-gnu-g++ >/dev/null && command -v qemu-aarch64 >/dev/null; then
        build aarch64 -DCMAKE_CXX_FLAGS=-O2 --toolchain cmake/toolchains/aarch64.cmake
        check aarch64 qemu-aarch64 -L /usr/aarch64-linux-gnu
      else
        echo "skipped: aarch64 (g++-aarch64-linux-gnu or qemu-user is not installed)"
      fi
      ;;
    *)
      echo "SANITIZERS: '$sanitizer' is not address, thread or aarch64" >&2
      exit 2
      ;;
  esac
done

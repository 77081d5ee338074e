#!/usr/bin/env bash
# The native core with its CUDA kernels run by the processor (tests/cuda/emulator): builds it and runs
# a command with it.
#
#   scripts/emulate_cuda.sh plain pytest tests/cuda
#   scripts/emulate_cuda.sh address …    memory errors, by AddressSanitizer
#   scripts/emulate_cuda.sh races …      data races, by the emulator's own checker
#
# build/emulated/KIND/avatar_rt is the package with that core in it; the command finds it before the
# tree's. PYTHON chooses the interpreter. Without a command it only builds.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:-plain}
shift || true
root=$PWD/build/emulated/$kind
case $kind in
  plain) options=() ;;
  address) options=(-DAVATAR_RT_SANITIZE=address,undefined -DCMAKE_CXX_FLAGS=-O1) ;;
  races) options=(-DAVATAR_RT_EMULATED_RACES=ON -DCMAKE_CXX_FLAGS=-O1) ;;
  *) echo "'$kind' is not plain, address or races" >&2; exit 2 ;;
esac

package=$root/avatar_rt
mkdir -p "$package"
for file in avatar_rt/*; do
  case $file in
    *_core*.so | */__pycache__) ;;
    *) ln -sfn "$PWD/$file" "$package/" ;;
  esac
done
BUILD_DIR=$root/build OUT_DIR=$package scripts/build_native.sh -DAVATAR_RT_CUDA=EMULATED \
  -DAVATAR_RT_BASELINE_ONLY=ON "${options[@]}"
cmake --build "$root/build" --target emulator_selftest

# No folder of the tree may come before the emulated package: not the one that Python runs in, nor
# the one that pytest adds for a test's own package.
export PYTHONPATH=$root:$PWD PYTHONSAFEPATH=1 PYTEST_ADDOPTS="--import-mode=append ${PYTEST_ADDOPTS:-}"
if [ "$kind" = address ]; then
  # with the C++ library, or the sanitizer does not find how exceptions are thrown
  libraries=$(for name in asan stdc++; do ${CXX:-c++} -print-file-name=lib$name.so; done)
  export LD_PRELOAD=${libraries//$'\n'/ } ASAN_OPTIONS=detect_leaks=0
fi
# An editable installation answers for avatar_rt before any folder is looked at.
cat >"$root/sitecustomize.py" <<'END'
import sys

sys.meta_path[:] = [f for f in sys.meta_path if type(f).__name__ != "ScikitBuildRedirectingFinder"]
END
found=$("${PYTHON:-python}" -c 'from avatar_rt import _core; print(_core.__file__)')
case $found in
  "$package"/*) ;;
  *) echo "found $found instead of the core in $package" >&2; exit 1 ;;
esac
[ $# -eq 0 ] || exec "$@"
